// The real log: its records, its recovery and its cleaning, on the disk of tests/support/fault_disk.hpp. What the
// threads of spool/impl/log_queue do (committer, supply, keeper) is done here when the simulation says so.
#include <algorithm>
#include <cerrno>
#include <set>
#include <stdexcept>

#include "tests/simulation/store.hpp"
#include "tests/unit/spool/log_fixture.hpp"

namespace posthorn::simulation {
namespace {

using namespace spool;

class LogStore final : public Store {
public:
    explicit LogStore(std::uint64_t seed) : dice_(seed), fixture_(seed, 32 << 10) { open(); }

    std::vector<Written> write(const std::vector<Write>& round) override {
        std::vector<Op> ops;
        for (const Write& one : round) {
            if (const auto* message = std::get_if<NewMessage>(&one)) {
                ops.emplace_back(message_op(message->envelope, message->body));
            } else {
                ops.emplace_back(state_op(std::get<StateChange>(one)));
            }
        }
        const Results results = fixture_.log->write(ops);
        std::vector<Written> out(round.size());
        for (std::size_t i = 0; i < out.size(); ++i) {
            out[i].result = results[i];
            const auto* state = std::get_if<StateOp>(&ops[i]);
            if (!results[i] || !state) continue;
            for (const MessageOp& birth : state->births) {
                if (!birth.known) out[i].born.push_back(birth.id);
            }
        }
        if (!fixture_.log->writable()) (void)fixture_.log->restore();
        return out;
    }

    base::Result<StoredMessage> load(const base::Ulid& id) override { return fixture_.log->load(id); }
    std::vector<base::Ulid> ids() override {
        std::vector<base::Ulid> out;
        std::ranges::copy_if(seen_, std::back_inserter(out),
                             [&](const auto& id) { return fixture_.log->knows(id); });
        if (out.size() != fixture_.log->stats().messages) throw std::runtime_error("the log has strangers");
        return out;
    }

    void trouble(int rounds) override {
        if (rounds == 0) return fixture_.disk.fail_never();
        const auto first = dice_.below(8);
        fixture_.disk.fail_at(first, dice_.chance(500) ? EIO : ENOSPC, static_cast<std::size_t>(rounds));
    }

    void crash(const std::vector<Write>& round) override {
        fixture_.disk.fail_never();
        if (!round.empty() && dice_.chance(700)) {
            if (dice_.chance(600)) fixture_.disk.fail_at(dice_.below(5), EIO, 1000);  // cut off in the middle
            write(round);
        }
        fixture_.disk.fail_never();
        if (dice_.chance(500))
            fixture_.disk.power_loss();
        else
            fixture_.disk.kill();
        open();
    }

    void housekeeping() override {
        for (int i = 0; i < 20; ++i) {
            const auto report = fixture_.clean();
            if (!report || !report->progress) break;
        }
    }
    std::string_view name() const override { return "log"; }

private:
    MessageOp message_op(mail::Envelope envelope, const std::string& body) {
        seen_.insert(envelope.id);
        envelope.body_size = body.size();
        MessageOp op;
        op.id = envelope.id;
        op.envelope = mail::encode_envelope(envelope);
        op.summary = summarize(envelope, body.size());
        op.body = std::make_shared<const std::string>(body);
        return op;
    }
    StateOp state_op(const StateChange& change) {
        StateOp op;
        op.id = change.id;
        op.done = change.done;
        if (!change.recipients.empty() || change.frozen) {
            op.changes = encode_changes(change.recipients, change.frozen);
            op.summary = summarize(change.recipients, change.frozen);
        }
        for (const auto& birth : change.births) op.births.push_back(message_op(birth.envelope, birth.body_prefix));
        return op;
    }
    void open() {
        const auto opened = fixture_.open();
        if (!opened) throw std::runtime_error("the log does not open: " + opened.error().log_text);
        if (fixture_.recovered.damages != 0) throw std::runtime_error("the log has damage after a crash");
    }

    Dice dice_;
    LogFixture fixture_;
    std::set<base::Ulid> seen_;  // ever given to it
};

}  // namespace

std::unique_ptr<Store> make_log_store(std::uint64_t seed) { return std::make_unique<LogStore>(seed); }

}  // namespace posthorn::simulation
