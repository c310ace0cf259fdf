// Commands that change what is in mailboxes: STORE, COPY, MOVE, EXPUNGE. What they answer is durable.
#include "proto/imap/text.hpp"
#include "readers/imap/session.hpp"

namespace posthorn::imap {
namespace {

Reply read_only() { return Reply::no("The mailbox was opened to be read only", "READ-ONLY"); }

store::FlagChange change_of(const Store& command) {
    store::FlagChange change;
    change.how = command.how == Store::How::add      ? store::FlagChange::How::add
                 : command.how == Store::How::remove ? store::FlagChange::How::remove
                                                     : store::FlagChange::How::replace;
    change.system = command.flags.system;
    change.keywords = command.flags.keywords;
    change.unchanged_since = command.unchanged_since;
    return change;
}

}  // namespace

// RFC 9051 §6.4.6, RFC 7162 §3.1.3
net::Task<Reply> Session::store_flags() {
    const auto command = std::get<Store>(machine_.command().what);
    if (command.unchanged_since) machine_.enable_condstore();
    if (selected_->read_only) co_return read_only();
    const auto uids = named(command.set, uid_command());
    if (!uids) co_return uids.error();
    if (uids->empty()) co_return Reply::ok("Nothing to do");
    // RFC 9051 §6.4.6: what others did to these flags is told also to a client that is told nothing of its own change.
    if (command.silent) co_await sync(false);
    const auto done =
        co_await mail().store_flags(loop(), account_, selected_->scope(), to_store(*uids), change_of(command));
    if (!done) co_return failed("store", done.error());
    auto& box = *selected_;
    note_keywords(done->keywords);
    note_own(*done);
    const bool condstore = machine_.enabled().condstore;
    std::uint64_t told = 0;
    for (const auto& entry : done->entries) {
        ++told;
        const auto number = box.view.number_of(entry.uid);
        if (number == 0) continue;
        if (!command.silent) {
            put_fetch_flags(out(), entry, uid_command() || machine_.enabled().qresync);
        } else if (condstore) {  // RFC 7162 §3.1.3: the new modseq is told all the same
            begin_fetch(out(), number, entry.uid);
            if (!machine_.enabled().uid_only) out() += "UID " + std::to_string(entry.uid) + ' ';
            out() += "MODSEQ (" + std::to_string(entry.modseq) + "))\r\n";
        }
        if (!co_await flush()) break;
    }
    if (!done->modified.empty()) {
        const auto left = from_store(done->modified);
        const auto text = (uid_command() ? left : box.view.numbers_of(left)).text();
        co_return Reply::ok("Some had changed", "MODIFIED " + text);
    }
    if (told < uids->count()) co_return Reply::ok("Some are gone", "EXPUNGEISSUED");
    co_return Reply::ok("Stored");
}

// RFC 9051 §6.4.7, §6.4.8; RFC 4315 §3 COPYUID
net::Task<Reply> Session::copy() {
    const auto command = std::get<Copy>(machine_.command().what);
    if (command.move && selected_->read_only) co_return read_only();
    const auto uids = named(command.set, uid_command());
    if (!uids) co_return uids.error();
    const auto name = store::mailbox_name(command.mailbox);
    const auto to = co_await mail().mailbox(loop(), account_, name ? *name : command.mailbox);
    if (!to) {
        if (store::is_missing(to.error())) co_return Reply::no("There is no such mailbox", "TRYCREATE");
        co_return failed("copy", to.error());
    }
    if (uids->empty()) co_return Reply::ok("Nothing to do");
    const auto from = selected_->scope();
    auto task = command.move ? mail().move(loop(), account_, from, to_store(*uids), to->id)
                             : mail().copy(loop(), account_, from, to_store(*uids), to->id);
    const auto done = co_await std::move(task);
    if (!done) co_return failed(command.move ? "move" : "copy", done.error());
    news_ = true;
    if (done->uids.empty()) co_return Reply::no("They are gone", "EXPUNGEISSUED");
    NumberSet sources;
    NumberSet targets;
    for (const auto& [source, target] : done->uids) {
        sources.add(source);
        targets.add(target);
    }
    auto code = "COPYUID " + std::to_string(done->uid_validity) + ' ' + sources.text() + ' ' + targets.text();
    if (!command.move) co_return Reply::ok("Copied", std::move(code));
    out() += "* OK [" + code + "] Moved\r\n";  // RFC 6851 §4.3: before the EXPUNGEs
    co_return Reply::ok("Moved");
}

net::Task<Reply> Session::expunge() {
    const auto command = std::get<Expunge>(machine_.command().what);
    if (selected_->read_only) co_return read_only();
    auto uids = store::UidSet::all();
    if (command.uids) {
        const auto some = named(*command.uids, true);
        if (!some) co_return some.error();
        uids = to_store(*some);
    }
    const auto done = co_await mail().expunge(loop(), account_, selected_->scope(), std::move(uids), true);
    if (!done) co_return failed("expunge", done.error());
    news_ = true;
    co_return Reply::ok("Expunged");
}

}  // namespace posthorn::imap
