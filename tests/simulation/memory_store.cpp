// Rounds that happen whole or not at all; what was under way in a crash is durable by chance.
#include <map>
#include <set>

#include "spool/impl/bodies.hpp"
#include "tests/simulation/store.hpp"

namespace posthorn::simulation {
namespace {

using spool::StoredMessage;

class MemoryStore final : public Store {
public:
    explicit MemoryStore(std::uint64_t seed) : dice_(seed) {}

    std::vector<Written> write(const std::vector<Write>& round) override {
        std::vector<Written> out;
        const bool fails = failing_ > 0 && failing_-- > 0;
        for (const Write& one : round) {
            Written& written = out.emplace_back();
            if (fails) {
                written.result = base::fail(base::ErrorKind::temporary, "the disk has trouble", "4.3.0");
            } else if (const auto* message = std::get_if<NewMessage>(&one)) {
                add(message->envelope, message->body);
            } else {
                apply(std::get<spool::StateChange>(one), written);
            }
        }
        return out;
    }

    base::Result<StoredMessage> load(const base::Ulid& id) override {
        const auto at = messages_.find(id);
        if (at == messages_.end()) return base::fail(base::ErrorKind::permanent, "no message " + id.to_string());
        return at->second;
    }
    std::vector<base::Ulid> ids() override {
        std::vector<base::Ulid> out;
        for (const auto& [id, stored] : messages_) out.push_back(id);
        return out;
    }
    void trouble(int rounds) override { failing_ = rounds; }
    void crash(const std::vector<Write>& round) override {
        failing_ = 0;
        if (dice_.chance(500)) write(round);
    }
    std::string_view name() const override { return "memory"; }

private:
    bool add(const mail::Envelope& envelope, const std::string& body) {
        if (messages_.contains(envelope.id) || gone_.contains(envelope.id)) return false;
        StoredMessage& stored = messages_[envelope.id];
        stored.envelope = envelope;
        stored.envelope.body_size = body.size();
        stored.recipients.resize(envelope.recipients.size());
        stored.body = spool::memory_body(std::make_shared<const std::string>(body));
        return true;
    }
    void apply(const spool::StateChange& change, Written& written) {
        const auto at = messages_.find(change.id);
        if (at == messages_.end()) {
            written.result = base::fail(base::ErrorKind::permanent, "no message " + change.id.to_string());
            return;
        }
        for (const auto& update : change.recipients) at->second.recipients.at(update.index) = update.state;
        if (change.frozen) at->second.frozen = *change.frozen;
        for (const auto& birth : change.births) {
            if (add(birth.envelope, birth.body_prefix)) written.born.push_back(birth.envelope.id);
        }
        if (change.done) {
            gone_.insert(change.id);
            messages_.erase(change.id);
        }
    }

    Dice dice_;
    std::map<base::Ulid, StoredMessage> messages_;
    std::set<base::Ulid> gone_;
    int failing_ = 0;
};

}  // namespace

std::unique_ptr<Store> make_memory_store(std::uint64_t seed) { return std::make_unique<MemoryStore>(seed); }

}  // namespace posthorn::simulation
