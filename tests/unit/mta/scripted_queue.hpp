// A queue that fails and waits where a test tells it to; keeps what was committed.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "spool/queue.hpp"

namespace posthorn::testing {

class ScriptedQueue final : public spool::Queue {
public:
    struct Taken {
        mail::Envelope envelope;
        std::string body;
    };
    std::vector<Taken> taken;
    std::optional<base::Error> begin_error;
    bool is_broken = false;
    bool broken() const override { return is_broken; }
    std::optional<base::Error> flush_error;
    std::optional<base::Error> commit_error;
    base::Duration commit_takes{};
    std::uint64_t last_expected = 0;
    std::size_t open = 0;  // intakes alive
    std::size_t flushes = 0;
    bool writable = true;

    base::Result<std::unique_ptr<spool::Intake>> begin(net::Loop& loop, std::uint64_t expected_size) override {
        if (begin_error) return std::unexpected(*begin_error);
        last_expected = expected_size;
        return std::make_unique<TestIntake>(*this, loop);
    }

    net::Task<base::Result<void>> commit(net::Loop& loop, mail::Envelope envelope,
                                         std::unique_ptr<spool::Intake> body) override {
        const auto until = loop.now() + commit_takes;
        if (commit_takes != base::Duration{}) co_await net::sleep_until(loop, until);
        if (commit_error) co_return std::unexpected(*commit_error);
        taken.push_back({std::move(envelope), static_cast<TestIntake&>(*body).bytes});
        co_return base::Result<void>{};
    }

    void record(spool::StateChange, Recorded) override {}
    net::Task<base::Result<spool::StoredMessage>> load(net::Loop&, base::Ulid) override {
        co_return base::fail(base::ErrorKind::permanent, "nothing is kept");
    }
    std::size_t shard_of(const base::Ulid&) const override { return 0; }
    Walked walk(std::uint64_t, std::size_t) const override { return {}; }
    bool knows(const base::Ulid&) const override { return false; }
    void attach(std::vector<spool::QueueOwner*>) override {}
    void set_in_hand(std::size_t, std::optional<base::Ulid>) override {}
    spool::QueueStats stats() const override {
        spool::QueueStats stats;
        stats.writable = writable;
        return stats;
    }
    base::Result<void> probe() override { return {}; }
    void stop() override {}

private:
    class TestIntake final : public spool::Intake {
    public:
        TestIntake(ScriptedQueue& queue, net::Loop& loop) : queue_(queue), loop_(loop) { ++queue_.open; }
        ~TestIntake() override { --queue_.open; }
        bool append(std::string_view more) override {
            bytes += more;
            return (unflushed_ += more.size()) > 64U << 10U;
        }
        net::Task<base::Result<void>> flush() override {
            ++queue_.flushes;
            unflushed_ = 0;
            co_await net::yield(loop_);
            error_ = queue_.flush_error;
            if (error_) co_return std::unexpected(*error_);
            co_return base::Result<void>{};
        }
        std::uint64_t size() const override { return bytes.size(); }
        const std::optional<base::Error>& error() const override { return error_; }

        std::string bytes;

    private:
        ScriptedQueue& queue_;
        net::Loop& loop_;
        std::size_t unflushed_ = 0;
        std::optional<base::Error> error_;
    };
};

}  // namespace posthorn::testing
