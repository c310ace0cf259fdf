// SORT and THREAD (RFC 5256): what SEARCH finds, in order. Summaries come in batches, only keys are kept of them; other
// sessions of the loop run in between.
#include "proto/imap/sort.hpp"

#include <algorithm>

#include "proto/imap/text.hpp"
#include "proto/imap/thread.hpp"
#include "readers/imap/session.hpp"

namespace posthorn::imap {
namespace {

constexpr std::size_t kSummaries = 64;  // asked of the store at once,
constexpr std::size_t kEntries = 500;   // and where none are needed
constexpr std::size_t kNumbers = 2000;  // taken from the order at once
constexpr std::size_t kPiece = 64 * 1024;

ThreadMessage thread_message(std::uint32_t number, mail::Summary summary, std::int64_t received) {
    return {.number = number,
            .sent = sent_date(summary, received),
            .subject = sort_text(summary.thread.base_subject),
            .answer = summary.thread.answer,
            .message_id = std::move(summary.thread.message_id),
            .references = std::move(summary.thread.references)};
}

}  // namespace

// Of `uids`, batch by batch, those that are still there; `take` on each with its number as this command names it, and
// its summary where one is wanted; `batched` behind each batch. False: the store failed.
template <class Take, class Batched>
net::Task<bool> Session::each_found(NumberSet uids, bool summaries, Take& take, Batched& batched) {
    const auto count = summaries ? kSummaries : kEntries;
    std::uint32_t at = 0;
    for (auto batch = next_batch(uids, at, count); !batch.empty(); batch = next_batch(uids, at, count)) {
        const auto messages =
            co_await mail().messages(loop(), account_, selected_->scope(), to_store(batch), summaries);
        if (!messages) {
            failed("sort", messages.error());
            co_return false;
        }
        for (const auto& message : *messages) {
            const auto uid = message.entry.uid;
            const auto number = uid_command() ? uid : selected_->view.number_of(uid);
            if (number == 0) continue;
            std::optional<mail::Summary> summary;
            if (summaries) {
                auto made = co_await summary_of(message);
                if (!made) continue;  // gone, or damaged
                summary = std::move(*made);
            }
            take(number, message, std::move(summary));
        }
        batched();
        if (cut_short()) break;
        co_await net::yield(loop());
    }
    co_return true;
}

net::Task<Reply> Session::sort() {
    const auto command = std::get<Sort>(machine_.command().what);
    const auto found = co_await find(command.key, command.charset);
    if (!found) co_return found.error();
    if (command.results.save) selected_->saved = found->uids;
    if (command.results.saves_only()) co_return Reply::ok("Sorted");
    const bool summaries = std::ranges::any_of(command.criteria, needs_summary);
    Sorter sorter;
    std::vector<Sorter::Row> rows;
    auto take = [&](std::uint32_t number, const store::Message& message, std::optional<mail::Summary> summary) {
        rows.emplace_back(sort_key(command.criteria, summary ? &*summary : nullptr,
                                   base::to_ms(message.received) / 1000, message.entry.size),
                          number);
    };
    auto batched = [&] { sorter.add(std::exchange(rows, {})); };
    if (!co_await each_found(found->uids, summaries, take, batched))
        co_return Reply::no("Cannot sort now", "UNAVAILABLE");
    std::vector<std::uint32_t> all;
    if (!command.results.given) out() += "* SORT";
    for (auto next = sorter.take(kNumbers); !next.empty(); next = sorter.take(kNumbers)) {
        if (command.results.given) {
            all.insert(all.end(), next.begin(), next.end());
        } else {
            for (const auto number : next) put_number(out() += ' ', number);
            if (!co_await flush()) co_return Reply::ok("Sorted");
        }
        co_await net::yield(loop());
    }
    if (command.results.given) {
        put_esort(out(), machine_.command().tag, uid_command(), command.results, all, found->modseq);
        co_return Reply::ok("Sorted");
    }
    // RFC 7162 §3.1.6
    if (found->modseq != 0 && sorter.size() != 0) out() += " (MODSEQ " + std::to_string(found->modseq) + ')';
    out() += "\r\n";
    co_return Reply::ok("Sorted");
}

net::Task<Reply> Session::thread() {
    const auto command = std::get<Thread>(machine_.command().what);
    const bool references = command.algorithm == "REFERENCES";
    if (!references && command.algorithm != "ORDEREDSUBJECT") co_return Reply::bad("There is no such algorithm");
    const auto found = co_await find(command.key, command.charset);
    if (!found) co_return found.error();
    Threader threader(references ? Threader::Algorithm::references : Threader::Algorithm::ordered_subject);
    bool any = false;
    auto take = [&](std::uint32_t number, const store::Message& message, std::optional<mail::Summary> summary) {
        any = true;
        threader.add(thread_message(number, std::move(*summary), base::to_ms(message.received) / 1000));
    };
    auto batched = [] {};
    if (!co_await each_found(found->uids, true, take, batched))
        co_return Reply::no("Cannot sort now", "UNAVAILABLE");
    while (threader.step()) co_await net::yield(loop());
    out() += any ? "* THREAD " : "* THREAD";
    while (threader.put(out(), kPiece)) {
        if (!co_await flush()) co_return Reply::ok("Threaded");
        co_await net::yield(loop());
    }
    out() += "\r\n";
    co_return Reply::ok("Threaded");
}

}  // namespace posthorn::imap
