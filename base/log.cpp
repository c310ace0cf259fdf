#include "base/log.hpp"

#include <unistd.h>

#include <atomic>
#include <charconv>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <ctime>
#include <mutex>
#include <thread>

#include "base/json.hpp"

namespace posthorn::base::log {
namespace {

// Enough for some 100,000 lines; beyond it stderr's reader is stuck, and the server must not be.
constexpr std::size_t kQueueBytes = 16U << 20U;

constexpr std::string_view kNames[] = {"debug", "info", "notice", "warning", "error", "fatal"};

void append_time(std::string& out) {
    using namespace std::chrono;
    const auto now = floor<milliseconds>(system_clock::now());
    const auto seconds = floor<std::chrono::seconds>(now);
    const std::time_t t = system_clock::to_time_t(seconds);
    std::tm tm{};
    gmtime_r(&t, &tm);
    char text[40];
    const auto size = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm);
    out.append(text, size);
    const auto ms = static_cast<int>((now - seconds).count());
    const char fraction[] = {'.', static_cast<char>('0' + ms / 100), static_cast<char>('0' + ms / 10 % 10),
                             static_cast<char>('0' + ms % 10), 'Z'};
    out.append(fraction, sizeof fraction);
}

template <class T>
void append_number(std::string& out, T value) {
    char text[32];
    const auto end = std::to_chars(text, text + sizeof text, value).ptr;
    out.append(text, end);
}

struct JsonValue {
    std::string& out;
    void operator()(std::string_view v) const { append_json_string(out, v); }
    void operator()(bool v) const { out += v ? "true" : "false"; }
    void operator()(double v) const {
        if (std::isfinite(v))
            append_number(out, v);
        else
            out += "null";
    }
    void operator()(std::int64_t v) const { append_number(out, v); }
    void operator()(std::uint64_t v) const { append_number(out, v); }
};

struct TextValue {
    std::string& out;
    void operator()(std::string_view v) const {
        // A plain word stands bare; anything else is quoted as JSON does, so that a line stays a line.
        bool bare = !v.empty();
        for (const char c : v)
            if (c <= ' ' || c == '"' || c == '=' || c == '\\' || c == 0x7F) bare = false;
        if (bare)
            out += v;
        else
            append_json_string(out, v);
    }
    void operator()(bool v) const { out += v ? "yes" : "no"; }
    void operator()(double v) const { append_number(out, v); }
    void operator()(std::int64_t v) const { append_number(out, v); }
    void operator()(std::uint64_t v) const { append_number(out, v); }
};

std::string render(Format format, Level level, std::string_view event, const Field* fields, std::size_t count) {
    std::string line;
    line.reserve(256);
    if (format == Format::json) {
        line += R"({"time":")";
        append_time(line);
        line += R"(","level":")";
        line += kNames[static_cast<std::size_t>(level)];
        line += R"(","event":)";
        append_json_string(line, event);
        for (std::size_t i = 0; i < count; ++i) {
            line += ',';
            append_json_string(line, fields[i].key);
            line += ':';
            std::visit(JsonValue{line}, fields[i].value);
        }
        line += "}\n";
        return line;
    }
    append_time(line);
    line += ' ';
    line += kNames[static_cast<std::size_t>(level)];
    line += ' ';
    line += event;
    for (std::size_t i = 0; i < count; ++i) {
        line += ' ';
        line += fields[i].key;
        line += '=';
        std::visit(TextValue{line}, fields[i].value);
    }
    line += '\n';
    return line;
}

void write_all(std::string_view text) {
    while (!text.empty()) {
        const ssize_t sent = ::write(STDERR_FILENO, text.data(), text.size());
        if (sent < 0) {
            if (errno == EINTR) continue;
            return;  // nobody to tell
        }
        text.remove_prefix(static_cast<std::size_t>(sent));
    }
}

class Writer {
public:
    ~Writer() {
        {
            const std::lock_guard lock(mutex_);
            stopping_ = true;
        }
        wake_.notify_all();
        if (thread_.joinable()) thread_.join();
    }

    void put(Level level, std::string line) {
        {
            const std::lock_guard lock(mutex_);
            if (capture_ != nullptr) {
                *capture_ += line;
                return;
            }
            if (stopping_) {  // static destruction: the thread is gone
                write_all(line);
                return;
            }
            if (!thread_.joinable()) thread_ = std::thread([this] { run(); });
            if (pending_.size() + line.size() > kQueueBytes && level < Level::error) {
                ++dropped_;
                return;
            }
            pending_ += line;
            ++put_;
        }
        wake_.notify_one();
    }

    void flush() {
        std::unique_lock lock(mutex_);
        const auto until = put_;
        written_.wait(lock, [&] { return done_ >= until || !thread_.joinable(); });
    }

    std::uint64_t dropped() const {
        const std::lock_guard lock(mutex_);
        return dropped_;
    }

    void capture(std::string* into) {
        const std::lock_guard lock(mutex_);
        capture_ = into;
    }

    std::string captured() const {
        const std::lock_guard lock(mutex_);
        return capture_ != nullptr ? *capture_ : std::string{};
    }

    std::atomic<Level> threshold{Level::info};
    std::atomic<Format> format{Format::text};

private:
    void run() {
        std::unique_lock lock(mutex_);
        std::uint64_t told = 0;
        while (true) {
            wake_.wait(lock, [this] { return stopping_ || !pending_.empty(); });
            if (pending_.empty()) return;
            std::string batch;
            batch.swap(pending_);
            const auto upto = put_;
            const auto lost = dropped_;
            lock.unlock();
            write_all(batch);
            if (lost != told) {
                const Field field{"lines", lost - told};
                write_all(render(format, Level::warning, "log.dropped", &field, 1));
                told = lost;
            }
            lock.lock();
            done_ = upto;
            written_.notify_all();
        }
    }

    mutable std::mutex mutex_;
    std::condition_variable wake_;
    std::condition_variable written_;
    std::string pending_;
    std::string* capture_ = nullptr;
    std::uint64_t put_ = 0;
    std::uint64_t done_ = 0;
    std::uint64_t dropped_ = 0;
    bool stopping_ = false;
    std::thread thread_;
};

Writer& writer() {
    static Writer instance;
    return instance;
}

std::string& capture_text() {
    static std::string text;
    return text;
}

}  // namespace

void write(Level level, std::string_view event, Fields fields) {
    write(level, event, fields.begin(), fields.size());
}

void write(Level level, std::string_view event, const Field* fields, std::size_t count) {
    if (!enabled(level)) return;
    writer().put(level, render(writer().format, level, event, fields, count));
}

bool enabled(Level level) { return level >= writer().threshold.load(std::memory_order_relaxed); }

void configure(Config config) {
    writer().threshold = config.level;
    writer().format = config.format;
}

std::optional<Level> parse_level(std::string_view name) {
    for (std::size_t i = 0; i < std::size(kNames); ++i)
        if (kNames[i] == name) return static_cast<Level>(i);
    return std::nullopt;
}

void flush() { writer().flush(); }
std::uint64_t dropped() { return writer().dropped(); }

Capture::Capture() {
    capture_text().clear();
    writer().capture(&capture_text());
}
Capture::~Capture() { writer().capture(nullptr); }
bool Capture::contains(std::string_view text) const { return writer().captured().find(text) != std::string::npos; }
std::string Capture::text() const { return writer().captured(); }

}  // namespace posthorn::base::log
