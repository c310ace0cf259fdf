// A body on its way in: in memory while it is small and the budget has room, else in a file of its own.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "net/loop.hpp"
#include "net/pool.hpp"
#include "spool/body.hpp"
#include "spool/impl/big_file.hpp"
#include "spool/impl/budget.hpp"
#include "spool/impl/room.hpp"

namespace posthorn::spool {

// What all intakes share.
struct IntakePorts {
    std::shared_ptr<const Files> files;
    net::Pool& pool;
    std::shared_ptr<Room> room;
    std::uint64_t memory_body;  // octets; more goes to the disk
};

class LogIntake final : public Intake {
public:
    LogIntake(net::Loop& loop, IntakePorts ports, std::shared_ptr<Budget> budget, std::string name, bool large);
    ~LogIntake() override;

    bool append(std::string_view bytes) override;
    net::Task<base::Result<void>> flush() override;
    std::uint64_t size() const override { return size_; }
    const std::optional<base::Error>& error() const override { return error_; }

    // Once, when all is appended: what is on the disk becomes durable as big/<id>.
    net::Task<base::Result<void>> finish(base::Ulid id);
    bool big() const { return file_ != nullptr; }
    const std::shared_ptr<BigFile>& file() const { return file_; }
    // The small body and its share of the budget.
    std::shared_ptr<const std::string> take_bytes() { return std::move(bytes_); }
    std::shared_ptr<Share> share() const { return share_; }

private:
    // Octets buffered for the disk. One piece is on its way while the next one is collected: with a read of 32 KiB
    // that comes to less than 192 KiB a session.
    static constexpr std::size_t kFlushAt = std::size_t{48} << 10;
    static constexpr std::size_t kPiece = kFlushAt + (std::size_t{32} << 10);

    // The piece on its way to the disk; shared with the job. Used on the loop alone.
    struct Writing {
        explicit Writing(net::Loop& loop) : over(loop) {}
        net::Event over;
        bool running = false;
        base::Result<void> result;
    };

    void spill();
    std::shared_ptr<std::string> take_piece();
    void start_writing();
    net::Task<> settle();                    // nothing is on its way after it
    bool out_of_room(std::uint64_t octets);  // and then error() says so

    net::Loop& loop_;
    IntakePorts ports_;
    std::shared_ptr<Share> share_;
    std::string name_;
    std::shared_ptr<std::string> bytes_ = std::make_shared<std::string>();
    std::shared_ptr<BigFile> file_;  // shared with the job under way
    std::shared_ptr<Writing> writing_;
    bool crowded_ = false;  // no budget: each piece goes to the disk at once
    std::uint64_t size_ = 0;
    std::optional<base::Error> error_;
};

}  // namespace posthorn::spool
