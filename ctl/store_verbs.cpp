#include "ctl/store_verbs.hpp"

#include <fmt/format.h>

#include <filesystem>

#include "base/json_value.hpp"
#include "ctl/check.hpp"
#include "ctl/mail_sink.hpp"
#include "ctl/mail_source.hpp"

namespace posthorn::ctl {
namespace {

using control::Bytes;
using control::Value;

constexpr std::size_t kPiece = std::size_t{512} << 10U;  // octets in a frame
constexpr std::uint64_t kTellEach = 1000;                // messages

std::string own(const CommandLine& line, std::string_view name) {
    const auto* value = line.own.find(name);
    return value != nullptr ? std::string(value->text()) : std::string();
}

Value header_of(const FileMessage& message) {
    auto flags = Value::list();
    for (const auto& flag : message.flags) flags.add(flag);
    return Value::map()
        .set("mailbox", message.mailbox)
        .set("key", message.key)
        .set("received", message.received_ms)
        .set("flags", std::move(flags));
}

// A source as the items of a request.
class Feed {
public:
    Feed(MailSource& source, const Tell& tell) : source_(source), tell_(tell) {}

    base::Result<std::optional<Value>> next() {
        if (message_ && at_ < message_->text.size()) {
            const auto piece = message_->text.substr(at_, kPiece);
            at_ += piece.size();
            return Value(Bytes{piece});
        }
        auto message = source_.next();
        for (const auto& warning : source_.take_warnings()) tell_(warning);
        if (!message) return std::unexpected(message.error());
        if (!*message) return std::nullopt;
        message_ = **std::move(message);
        at_ = 0;
        if (++count_ % kTellEach == 0) tell_(fmt::format("{} messages, in {}", count_, message_->mailbox));
        return header_of(*message_);
    }

private:
    MailSource& source_;
    const Tell& tell_;
    std::optional<FileMessage> message_;
    std::size_t at_ = 0;
    std::uint64_t count_ = 0;
};

Value value_of(const base::JsonValue& json) {
    if (const auto flag = json.boolean()) return *flag;
    if (const auto number = json.integer()) return *number;
    if (const auto number = json.number()) return *number;
    if (const auto* text = json.string()) return *text;
    if (const auto* array = json.array()) {
        auto out = Value::list();
        for (const auto& one : *array) out.add(value_of(one));
        return out;
    }
    if (const auto* object = json.object()) {
        auto out = Value::map();
        for (const auto& [name, one] : *object) out.set(name, value_of(one));
        return out;
    }
    return {};
}

// What the server sends into files.
class Drain {
public:
    Drain(MailSink& sink, const Tell& tell) : sink_(sink), tell_(tell) {}

    void take(const Value::List& items) {
        for (const auto& item : items) {
            if (result_) result_ = one(item);
        }
    }
    base::Result<void> end() {
        if (result_ && open_) result_ = base::fail(base::ErrorKind::protocol, "the last message is not whole");
        if (result_) result_ = sink_.finish();
        return result_;
    }

private:
    base::Result<void> one(const Value& item) {
        if (const auto* bytes = item.as<Bytes>()) {
            if (!open_) return base::fail(base::ErrorKind::protocol, "octets of no message");
            if (auto done = sink_.write(bytes->octets); !done) return done;
            left_ -= std::min<std::uint64_t>(left_, bytes->octets.size());
            if (left_ > 0) return {};
            open_ = false;
            return sink_.end();
        }
        if (open_) return base::fail(base::ErrorKind::protocol, "a message is not whole");
        const auto* mailbox = item.find("mailbox");
        if (mailbox == nullptr) return base::fail(base::ErrorKind::protocol, "that is no message");
        const auto* uid = item.find("uid");
        if (uid == nullptr) return sink_.mailbox(std::string(mailbox->text()));
        const auto number = [&](std::string_view name) {
            const auto* value = item.find(name);
            return value != nullptr ? value->integer().value_or(0) : 0;
        };
        OutMessage message{.mailbox = std::string(mailbox->text()),
                           .uid_validity = static_cast<std::uint32_t>(number("uid_validity")),
                           .uid = static_cast<std::uint32_t>(number("uid")),
                           .received_ms = number("received"),
                           .flags = {}};
        if (const auto* flags = item.find("flags"); flags != nullptr && flags->items() != nullptr) {
            for (const auto& flag : *flags->items()) message.flags.emplace_back(flag.text());
        }
        left_ = static_cast<std::uint64_t>(number("size"));
        open_ = true;
        if (++count_ % kTellEach == 0) tell_(fmt::format("{} messages, in {}", count_, message.mailbox));
        return sink_.begin(message);
    }

    MailSink& sink_;
    const Tell& tell_;
    base::Result<void> result_;
    bool open_ = false;
    std::uint64_t left_ = 0;  // octets of it
    std::uint64_t count_ = 0;
};

}  // namespace

base::Result<control::Answer> import_mail(Client& client, const CommandLine& line, const Tell& tell) {
    const auto folder = own(line, "folder");
    auto source = open_mail_source(own(line, "format"), folder);
    if (!source) return std::unexpected(source.error());
    auto args = line.args;
    if (args.find("source") == nullptr) {
        std::error_code code;
        const auto path = std::filesystem::canonical(folder, code);
        args.set("source", code ? folder : path.string());
    }
    Feed feed(**source, tell);
    return client.call_with_items("store.import", std::move(args), [&] { return feed.next(); });
}

base::Result<control::Answer> export_mail(Client& client, const CommandLine& line, const Tell& tell) {
    auto sink = open_mail_sink(own(line, "format"), own(line, "folder"));
    if (!sink) return std::unexpected(sink.error());
    Drain drain(**sink, tell);
    auto answer = client.call("store.export", line.args, [&](const Value::List& items) { drain.take(items); });
    if (!answer || !answer->ok) return answer;
    if (const auto* last = answer->result.items()) drain.take(*last);
    if (auto done = drain.end(); !done) return std::unexpected(done.error());
    answer->result = answer->info;
    return answer;
}

std::optional<base::Result<control::Answer>> without_server(const CommandLine& line) {
    const bool repair = line.command->name == "store.repair";
    if (!repair && line.command->name != "store.check") return std::nullopt;
    const auto* account = line.args.find("account");
    std::vector<std::string> words{repair ? "--store-repair" : "--store-check", std::string(account->text())};
    if (const auto* bodies = line.args.find("bodies"); bodies != nullptr && bodies->truth())
        words.emplace_back("--bodies");
    if (const auto config = own(line, "config"); !config.empty()) words.insert(words.end(), {"--config", config});
    const auto ran = run_server_program(own(line, "server"), std::move(words));
    if (!ran) return base::fail(base::ErrorKind::permanent, ran.error());
    const auto json = base::read_json(ran->first);
    control::Answer answer;
    if (const auto ok = json ? (*json)["ok"].boolean() : std::nullopt) {
        answer.ok = *ok;
        if (const auto* error = (*json)["error"].string()) answer.message = *error;
        answer.result = value_of((*json)["result"]);
        return answer;
    }
    return base::fail(base::ErrorKind::permanent,
                      fmt::format("posthornd {} does not answer as it should (status {})",
                                  repair ? "--store-repair" : "--store-check", ran->second));
}

}  // namespace posthorn::ctl
