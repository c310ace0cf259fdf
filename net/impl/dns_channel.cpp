#include "net/impl/dns_channel.hpp"

#include <boost/asio/posix/basic_stream_descriptor.hpp>

#include "net/impl/suspend.hpp"

namespace posthorn::net::impl {
namespace {

constexpr int kClassIn = 1;
// What passes without fragments (DNS flag day 2020); longer answers come by TCP.
constexpr int kEdnsPayload = 1232;

struct Question {
    DnsChannel::Done done;
};

void on_answer(void* arg, int status, int, unsigned char* bytes, int size) {
    const std::unique_ptr<Question> question(static_cast<Question*>(arg));
    if (status == ARES_EDESTRUCTION) return;
    question->done(status, bytes == nullptr ? std::span<const std::uint8_t>{}
                                            : std::span<const std::uint8_t>(bytes, static_cast<std::size_t>(size)));
}

}  // namespace

// The descriptor is c-ares': it is let go, never closed here.
struct DnsChannel::Watch {
    using Descriptor = boost::asio::posix::basic_stream_descriptor<IoExecutor>;
    Watch(Loop& loop, ares_socket_t at) : fd(at), descriptor(context_of(loop).get_executor(), at) {}
    ~Watch() { let_go(); }
    void let_go() {
        if (descriptor.is_open()) descriptor.release();
    }

    ares_socket_t fd;
    Descriptor descriptor;
    bool wanted[2] = {false, false};  // [1]: to read, [0]: to write
    bool waiting[2] = {false, false};
};

base::Result<std::unique_ptr<DnsChannel>> DnsChannel::make(Loop& loop, const DnsConfig& config, bool skip_failing) {
    std::unique_ptr<DnsChannel> channel(new DnsChannel(loop));
    ares_options options{};
    // Names are asked as they are: no search list, no $HOSTALIASES.
    options.flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES | ARES_FLAG_EDNS;
    if (!skip_failing) options.flags |= ARES_FLAG_NOCHECKRESP;
    options.timeout = static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(config.timeout).count());
    options.tries = config.tries;
    options.ednspsz = kEdnsPayload;
    options.sock_state_cb = on_socket;
    options.sock_state_cb_data = channel.get();
    const int mask =
        ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_EDNSPSZ | ARES_OPT_SOCK_STATE_CB;
    int status = ares_init_options(&channel->channel_, &options, mask);
    if (status != ARES_SUCCESS) {
        channel->channel_ = nullptr;
        return base::fail(base::ErrorKind::temporary, std::string("DNS: ") + ares_strerror(status));
    }
    if (config.servers.empty()) return channel;
    std::string servers;
    for (const auto& server : config.servers) servers += (servers.empty() ? "" : ",") + server;
    status = ares_set_servers_ports_csv(channel->channel_, servers.c_str());
    if (status != ARES_SUCCESS) {
        return base::fail(base::ErrorKind::permanent, "DNS servers " + servers + ": " + ares_strerror(status));
    }
    return channel;
}

DnsChannel::~DnsChannel() {
    loop_.cancel(timer_);
    if (channel_ != nullptr) ares_destroy(channel_);
}

void DnsChannel::ask(const std::string& name, DnsType type, Done done) {
    auto question = std::make_unique<Question>(Question{std::move(done)});
    ares_query(channel_, name.c_str(), kClassIn, static_cast<int>(type), on_answer, question.release());
    arm();
}

void DnsChannel::on_socket(void* self, ares_socket_t fd, int readable, int writable) {
    static_cast<DnsChannel*>(self)->watch(fd, readable != 0, writable != 0);
}

void DnsChannel::watch(ares_socket_t fd, bool readable, bool writable) {
    const auto found = watches_.find(fd);
    if (!readable && !writable) {  // c-ares is about to close it
        if (found == watches_.end()) return;
        found->second->let_go();  // ends what waits
        watches_.erase(found);
        return;
    }
    if (found == watches_.end()) watches_.emplace(fd, std::make_shared<Watch>(loop_, fd));
    const auto watch = watches_.at(fd);
    watch->wanted[1] = readable;
    watch->wanted[0] = writable;
    if (readable) wait_for(watch, true);
    if (writable) wait_for(watch, false);
}

void DnsChannel::wait_for(const std::shared_ptr<Watch>& watch, bool readable) {
    if (watch->waiting[readable]) return;
    watch->waiting[readable] = true;
    const auto type = readable ? Watch::Descriptor::wait_read : Watch::Descriptor::wait_write;
    // `this` is good wherever the watch is still open: the channel lets go of all before it dies.
    watch->descriptor.async_wait(type, [this, watch, readable](const boost::system::error_code& error) {
        watch->waiting[readable] = false;
        if (error || !watch->descriptor.is_open()) return;
        process(readable ? watch->fd : ARES_SOCKET_BAD, readable ? ARES_SOCKET_BAD : watch->fd);
        if (watch->descriptor.is_open() && watch->wanted[readable]) wait_for(watch, readable);
    });
}

void DnsChannel::process(ares_socket_t readable, ares_socket_t writable) {
    ares_process_fd(channel_, readable, writable);
    arm();
}

void DnsChannel::arm() {
    loop_.cancel(timer_);
    timer_ = 0;
    timeval left{};
    if (ares_timeout(channel_, nullptr, &left) == nullptr) return;
    // c-ares counts in milliseconds of its own clock: a moment later is surely not too soon.
    const auto delay =
        std::chrono::seconds(left.tv_sec) + std::chrono::microseconds(left.tv_usec) + std::chrono::milliseconds(1);
    timer_ = loop_.call_after(delay, [this] {
        timer_ = 0;
        process(ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    });
}

}  // namespace posthorn::net::impl
