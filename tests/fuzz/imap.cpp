// IMAP's lexer, parser and session machine under arbitrary octets. The first octet chooses: how the rest is cut into pieces, and the
// encoding of names. Holds: it never throws, memory stays in bounds, a command that parsed has a tag, and cutting the
// octets elsewhere gives the same commands; the session ends, and answers the same however its input is cut.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "proto/imap/append_parser.hpp"
#include "proto/imap/command_reader.hpp"
#include "proto/imap/limits.hpp"
#include "proto/imap/parser.hpp"
#include "proto/imap/utf7.hpp"
#include "tests/support/imap_play.hpp"

using namespace posthorn::imap;

namespace {

void require(bool holds) {
    if (!holds) std::abort();
}

void parse(const std::string& text, bool utf8) {
    if (AppendParser::wants(text)) {
        AppendParser append(text, utf8);
        if (const auto events = append.parse(text, false); events && *events) require(!append.tag().empty());
        return;
    }
    const auto parsed = parse_command(text, {.utf8 = utf8});
    if (!parsed) {
        require(!parsed.error().text.empty());
        return;
    }
    require(!parsed->command.tag.empty() && parsed->command.tag.size() <= Limits::tag);
}

std::string commands(std::string_view wire, std::size_t step, bool utf8, bool look) {
    std::string all;
    CommandReader reader;
    while (true) {
        switch (reader.state()) {
            case CommandReader::State::reading: break;
            case CommandReader::State::literal:
                require(reader.before_mark().size() < reader.text().size());
                if (!reader.take_literal()) reader.refuse_literal();
                continue;
            case CommandReader::State::complete:
                if (look) parse(reader.text(), utf8);
                [[fallthrough]];
            case CommandReader::State::too_long:
                require(reader.text().size() <= Limits::command + Limits::tag);
                all += reader.text() + '\n';
                reader.reset();
                continue;
        }
        if (wire.empty()) return all;
        const auto taken = reader.feed(wire.substr(0, step));
        require(taken > 0);
        wire.remove_prefix(taken);
    }
}

std::string session(std::string_view wire, std::size_t octets) {
    ServerSession machine({.hostname = "x",
                           .clear_login = true,
                           .mechanisms = {posthorn::sasl::Mechanism::plain},
                           .can_enable = {"UTF8=ACCEPT"},
                           .append_limit = 50});
    posthorn::tests::ImapPlay play;
    play.octets = octets;
    play.run(machine, "l LOGIN ann@example.org secret\r\ns SELECT INBOX\r\n" + std::string(wire));
    require(play.closed && !machine.ending().empty());
    for (const auto& append : play.appended) {
        for (const auto& message : append.messages) require(message.size() <= 50 * Limits::command);
    }
    return play.output;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 1) return 0;
    const std::string_view wire(reinterpret_cast<const char*>(data) + 1, size - 1);
    const bool utf8 = (data[0] & 1) != 0;
    require(commands(wire, wire.size() + 1, utf8, true) == commands(wire, (data[0] >> 1U) + 1, utf8, false));
    require(session(wire, wire.size() + 1) == session(wire, (data[0] >> 1U) + 1));
    if (const auto name = decode_utf7(wire)) require(decode_utf7(encode_utf7(*name)) == name);
    return 0;
}
