// SEARCH (RFC 9051 §6.4.4): what is found (search_find.cpp), told.
#include "proto/imap/text.hpp"
#include "readers/imap/session.hpp"

namespace posthorn::imap {
namespace {

constexpr std::size_t kNumbers = 5000;  // told at once

}  // namespace

net::Task<Reply> Session::search() {
    const auto command = std::get<Search>(machine_.command().what);
    const auto found = co_await find(command.key, command.charset);
    if (!found) co_return found.error();
    auto& box = *selected_;
    if (command.results.save) box.saved = found->uids;
    if (command.results.saves_only()) co_return Reply::ok("Searched");
    const auto shown = uid_command() ? found->uids : box.view.numbers_of(found->uids);
    if (command.results.given || machine_.enabled().rev2) {
        auto results = command.results;
        if (!results.given) results.all = true;
        put_esearch(out(), machine_.command().tag, uid_command(), results, shown, found->modseq);
        co_return Reply::ok("Searched");
    }
    out() += "* SEARCH";
    std::uint32_t at = 0;
    for (auto batch = next_batch(shown, at, kNumbers); !batch.empty(); batch = next_batch(shown, at, kNumbers)) {
        batch.for_each([this](std::uint32_t number) {
            out() += ' ';
            put_number(out(), number);
        });
        if (!co_await flush()) co_return Reply::ok("Searched");
    }
    if (found->modseq != 0 && !shown.empty()) out() += " (MODSEQ " + std::to_string(found->modseq) + ')';
    out() += "\r\n";
    co_return Reply::ok("Searched");
}

}  // namespace posthorn::imap
