// A blocking client of the control socket, for command-line tools.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "control/protocol/frame.hpp"

namespace posthorn::ctl {

// Where a server's socket may be, in the order of trying: the environment's POSTHORN_CONTROL_SOCKET alone if set,
// else the system's, then the user's own.
std::vector<std::string> usual_sockets();

class Client {
public:
    // Connects to `path`, or to the first of usual_sockets() that answers when it is empty.
    static base::Result<Client> connect(const std::string& path);
    ~Client();
    Client(Client&& other) noexcept : fd_(std::exchange(other.fd_, -1)), token_(std::move(other.token_)) {}
    Client& operator=(Client&&) = delete;

    // Goes with each request from now on; empty: none.
    void use_token(std::string token) { token_ = std::move(token); }

    // Sends one request and reads its answer. Of an answer in several frames `part` gets the lists as they come, all
    // but the last; without it they are joined. An Error means that the conversation failed; a refusal is an Answer
    // with ok == false.
    using Part = std::function<void(control::Value::List)>;
    base::Result<control::Answer> call(const std::string& command, control::Value args, const Part& part = {});

    // The same with a long request: `next` gives its pieces, nothing after the last.
    using Pieces = std::function<base::Result<std::optional<std::string>>()>;
    base::Result<control::Answer> call_long(const std::string& command, control::Value args, const Pieces& next);
    // Its pieces may be other than octets.
    using Items = std::function<base::Result<std::optional<control::Value>>()>;
    base::Result<control::Answer> call_with_items(const std::string& command, control::Value args,
                                                  const Items& next);

private:
    explicit Client(int fd) : fd_(fd) {}
    base::Result<void> send(std::string_view bytes);
    base::Result<control::Answer> receive();
    base::Result<control::Answer> receive_all(const Part& part);

    int fd_ = -1;
    std::string token_;
    std::int64_t last_id_ = 0;
};

}  // namespace posthorn::ctl
