#include "base/log.hpp"

#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <climits>
#include <cmath>
#include <condition_variable>
#include <ctime>
#include <mutex>
#include <thread>

#include "base/json.hpp"

namespace posthorn::base::log {
namespace {

constexpr auto kPatience = std::chrono::seconds(2);     // at the end, with a reader that does not read
constexpr auto kLook = std::chrono::milliseconds(100);  // between two looks at such a reader

// Enough for some 100,000 lines; beyond it stderr's reader is stuck, and the server must not be.
constexpr std::size_t kQueueBytes = 16U << 20U;
constexpr auto kRest = std::chrono::milliseconds(5);  // between two writes

constexpr std::string_view kNames[] = {"debug", "info", "notice", "warning", "error", "fatal"};

void append_time(std::string& out) {
    using namespace std::chrono;
    const auto now = floor<microseconds>(system_clock::now());
    const auto seconds = floor<std::chrono::seconds>(now);
    const std::time_t t = system_clock::to_time_t(seconds);
    std::tm tm{};
    gmtime_r(&t, &tm);
    char text[40];
    const auto size = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm);
    out.append(text, size);
    auto us = static_cast<int>((now - seconds).count());
    char fraction[] = {'.', '0', '0', '0', '0', '0', '0', 'Z'};
    for (int digit = 6; digit > 0; --digit, us /= 10) fraction[digit] = static_cast<char>('0' + us % 10);
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
        for (const char c : v) {
            const auto octet = static_cast<unsigned char>(c);
            if (octet <= ' ' || octet >= 0x7F || c == '"' || c == '=' || c == '\\') bare = false;
        }
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

std::string_view component_of(std::string_view event) { return event.substr(0, event.find('.')); }

// From the root of the sources on: the compiler was started in a folder beside or below it.
std::string_view source_file(std::string_view path) {
    while (path.starts_with("../")) path.remove_prefix(3);
    return path;
}

std::string_view key_of(const Field& field) { return field.key == "msg" ? "message" : field.key; }

std::string render(Format format, Level level, std::string_view event, const Field* fields, std::size_t count,
                   const Where& where) {
    std::string line;
    line.reserve(256);
    if (format == Format::json) {
        line += R"({"timestamp":")";
        append_time(line);
        line += R"(","level":")";
        line += kNames[static_cast<std::size_t>(level)];
        line += R"(","component":)";
        append_json_string(line, component_of(event));
        line += R"(,"event":)";
        append_json_string(line, event);
        line += R"(,"file":)";
        append_json_string(line, source_file(where.file_name()));
        line += R"(,"line":)";
        append_number(line, where.line());
        for (std::size_t i = 0; i < count; ++i) {
            line += ',';
            append_json_string(line, key_of(fields[i]));
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
        line += key_of(fields[i]);
        line += '=';
        std::visit(TextValue{line}, fields[i].value);
    }
    line += '\n';
    return line;
}

std::uint64_t lines(std::string_view text) {
    return static_cast<std::uint64_t>(std::count(text.begin(), text.end(), '\n'));
}

bool is_file() {
    struct stat info{};
    return ::fstat(STDERR_FILENO, &info) == 0 && S_ISREG(info.st_mode);
}

bool takes_some(std::chrono::milliseconds limit) {
    pollfd what{.fd = STDERR_FILENO, .events = POLLOUT, .revents = 0};
    return ::poll(&what, 1, static_cast<int>(limit.count())) > 0;
}

// Writes until all is written, or stderr fails, or `patient` says it is enough. Gives the lines that were lost. What is
// no file gets as much at a time as it takes without blocking once it is ready (PIPE_BUF). `cut`: the last line that
// was written has no end, for want of room in the file; the next one begins a line of its own.
template <class Patient>
std::uint64_t write_all(std::string_view text, bool& cut, Patient patient) {
    const bool file = is_file();
    if (file && cut) cut = ::write(STDERR_FILENO, "\n", 1) != 1;
    while (!text.empty()) {
        if (!file && !takes_some(kLook)) {
            if (!patient()) break;
            continue;
        }
        const auto piece = file ? text : text.substr(0, PIPE_BUF);
        const ssize_t sent = ::write(STDERR_FILENO, piece.data(), piece.size());
        if (sent > 0) {
            cut = piece[static_cast<std::size_t>(sent) - 1] != '\n';
            text.remove_prefix(static_cast<std::size_t>(sent));
        } else if (sent == 0 || (errno != EINTR && errno != EAGAIN)) {
            break;
        }
    }
    return lines(text);
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
                dropped_ += write_all(line, cut_, [] { return false; });
                return;
            }
            if (!thread_.joinable()) thread_ = std::thread([this] { run(); });
            const auto room = level < Level::error ? kQueueBytes : 2 * kQueueBytes;
            if (pending_.size() + line.size() > room) {
                ++dropped_;
                return;
            }
            pending_ += line;
            ++put_;
            urgent_ = urgent_ || level >= Level::error;
            if (!idle_ && !urgent_) return;  // it looks by itself when its rest is over
        }
        wake_.notify_one();
    }

    void flush() {
        std::unique_lock lock(mutex_);
        const auto until = put_;
        urgent_ = true;
        wake_.notify_one();
        written_.wait_for(lock, kPatience, [&] { return done_ >= until || !thread_.joinable(); });
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

    bool wanted(Level level, std::string_view event) const {
        if (!apart_) return true;  // the threshold has been asked
        const std::lock_guard lock(levels_mutex_);
        const auto own = levels_.components.find(component_of(event));
        return level >= (own != levels_.components.end() ? own->second : levels_.level);
    }

    Levels levels() const {
        const std::lock_guard lock(levels_mutex_);
        return levels_;
    }

    void set_levels(Levels levels) {
        const std::lock_guard lock(levels_mutex_);
        Level least = levels.level;
        for (const auto& [component, level] : levels.components) least = std::min(least, level);
        apart_ = !levels.components.empty();
        threshold = least;
        levels_ = std::move(levels);
    }

    std::atomic<Level> threshold{Level::info};  // of the least of all components
    std::atomic<Format> format{Format::text};

private:
    void run() {
        std::unique_lock lock(mutex_);
        std::uint64_t told = 0;
        while (true) {
            idle_ = true;
            wake_.wait(lock, [this] { return stopping_ || !pending_.empty(); });
            idle_ = false;
            if (pending_.empty()) return;
            std::string batch;
            batch.swap(pending_);
            const auto upto = put_;
            const auto lost = dropped_;
            lock.unlock();
            auto lost_now = write_all(batch, cut_, [this] { return patient(); });
            if (lost_now == 0 && lost != told) {
                const Field field{"lines", lost - told};
                const auto line = render(format, Level::warning, "log.dropped", &field, 1, Where::current());
                if (write_all(line, cut_, [this] { return patient(); }) == 0) told = lost;
            }
            lock.lock();
            dropped_ += lost_now;
            done_ = upto;
            written_.notify_all();
            // A line after silence goes out at once; where many follow each other, waking for each of them costs more
            // than writing it.
            wake_.wait_for(lock, kRest, [this] { return stopping_ || urgent_; });
            urgent_ = false;
        }
    }

    // At the end nobody waits for a reader that does not read.
    bool patient() {
        const std::lock_guard lock(mutex_);
        if (!stopping_) return true;
        const auto now = std::chrono::steady_clock::now();
        if (given_up_ == std::chrono::steady_clock::time_point{}) given_up_ = now + kPatience;
        return now < given_up_;
    }

    mutable std::mutex levels_mutex_;
    Levels levels_;
    std::atomic<bool> apart_{false};  // some component has its own
    mutable std::mutex mutex_;
    std::condition_variable wake_;
    std::condition_variable written_;
    std::string pending_;
    std::string* capture_ = nullptr;
    std::uint64_t put_ = 0;
    std::uint64_t done_ = 0;
    std::uint64_t dropped_ = 0;
    bool idle_ = false;    // the thread sleeps until a line comes
    bool urgent_ = false;  // somebody waits, or an error is to be seen: no rest
    bool stopping_ = false;
    bool cut_ = false;  // the thread's; see write_all
    std::chrono::steady_clock::time_point given_up_{};
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

void write(Level level, std::string_view event, Fields fields, Where where) {
    write(level, event, fields.begin(), fields.size(), where);
}

void write(Level level, std::string_view event, const Field* fields, std::size_t count, Where where) {
    if (!enabled(level) || !writer().wanted(level, event)) return;
    writer().put(level, render(writer().format, level, event, fields, count, where));
}

bool enabled(Level level) { return level >= writer().threshold.load(std::memory_order_relaxed); }

void configure(Config config) {
    writer().set_levels({config.level, std::move(config.components)});
    writer().format = config.format;
}

Levels levels() { return writer().levels(); }
void set_levels(Levels levels) { writer().set_levels(std::move(levels)); }

std::string_view name(Level level) { return kNames[static_cast<std::size_t>(level)]; }

std::optional<Level> parse_level(std::string_view name) {
    for (std::size_t i = 0; i < std::size(kNames); ++i)
        if (kNames[i] == name) return static_cast<Level>(i);
    return std::nullopt;
}

bool apply_levels(std::string_view text, Levels& levels) {
    Levels out = levels;
    while (!text.empty()) {
        const auto comma = text.find(',');
        const auto item = text.substr(0, comma);
        text = comma == std::string_view::npos ? std::string_view{} : text.substr(comma + 1);
        const auto equals = item.find('=');
        const auto level = parse_level(equals == std::string_view::npos ? item : item.substr(equals + 1));
        if (!level || equals == 0) return false;
        if (equals == std::string_view::npos)
            out.level = *level;
        else
            out.components.insert_or_assign(std::string(item.substr(0, equals)), *level);
    }
    levels = std::move(out);
    return true;
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
