#include "tests/unit/store/store_contract.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace posthorn::store {

std::string uids_of(const std::vector<Entry>& entries) {
    UidSet set;
    for (const auto& entry : entries) set.add(entry.uid);
    return set.text();
}

namespace {

using How = FlagChange::How;

void accounts(StoreHarness& h) {
    SUBCASE("an account begins with INBOX and the mailboxes of special use") {
        CHECK(h.get(h.store().accounts(h.loop())).empty());
        const auto boxes = h.get(h.store().mailboxes(h.loop(), h.jane));
        std::string names;
        for (const auto& box : boxes) {
            names += box.name + ':' + std::string(name(box.role)) + (box.subscribed ? "+ " : " ");
            CHECK(box.uid_validity > 0);
            CHECK(box.uid_next == 1);
            CHECK(box.highest_modseq > 0);
        }
        CHECK(names == "Archive:archive+ Drafts:drafts+ INBOX:inbox+ Junk:junk+ Sent:sent+ Trash:trash+ ");
        CHECK(h.get(h.store().accounts(h.loop())) == std::vector{h.jane});
    }
    SUBCASE("an account that is removed begins anew") {
        h.deliver("one");
        h.get(h.store().remove_account(h.loop(), h.jane));
        CHECK(h.get(h.store().accounts(h.loop())).empty());
        CHECK(h.code(h.store().remove_account(h.loop(), h.jane)) == ENOENT);
        CHECK(h.inbox().entries.empty());
    }
    SUBCASE("what is one account's is not another's") {
        h.deliver("one");
        CHECK(h.get(h.store().mailbox(h.loop(), h.john, "INBOX")).messages == 0);
    }
}

void deliveries(StoreHarness& h) {
    SUBCASE("what is delivered is there, octet by octet") {
        auto given = h.delivery("Subject: x\r\n\r\nbody\r\n");
        given.message.prefix = "Return-Path: <>\r\n";
        given.message.system = flag::flagged;
        given.message.keywords = {"$Work"};
        given.message.summary = std::make_shared<const std::string>(std::string("\0blob", 5));
        const auto added = h.get(h.store().deliver(h.loop(), h.jane, given));
        CHECK_FALSE(added.duplicate);
        CHECK(added.uid == 1);
        CHECK(h.bytes(added.email) == "Return-Path: <>\r\nSubject: x\r\n\r\nbody\r\n");
        const auto inbox = h.inbox();
        REQUIRE(inbox.entries.size() == 1);
        const auto& entry = inbox.entries[0];
        CHECK(entry.email == added.email);
        CHECK(entry.modseq == added.modseq);
        CHECK(entry.size == 37);
        CHECK(entry.uid == 1);
        CHECK(inbox.keywords == Keywords{"$Work"});
        CHECK(entry.flags == (flag::flagged | flag::keyword(0)));
        CHECK(inbox.mailbox.uid_next == 2);
        CHECK(inbox.mailbox.messages == 1);
        CHECK(inbox.mailbox.unseen == 1);
        CHECK(inbox.mailbox.bytes == 37);
        CHECK(inbox.mailbox.highest_modseq == added.modseq);
        const auto messages = h.get(h.store().messages(h.loop(), h.jane, h.scope(added.mailbox), {1, 2}, true));
        REQUIRE(messages.size() == 1);
        CHECK(messages[0].received == given.message.received);
        CHECK(messages[0].summary == *given.message.summary);
        CHECK(messages[0].thread == added.thread);
    }
    SUBCASE("a delivery that is repeated is not stored again, not even when the mail is gone") {
        const auto given = h.delivery("one");
        const auto added = h.get(h.store().deliver(h.loop(), h.jane, given));
        CHECK(h.get(h.store().deliver(h.loop(), h.jane, given)).duplicate);
        h.get(h.store().expunge(h.loop(), h.jane, h.scope(added.mailbox), {1}, false));
        CHECK(h.get(h.store().deliver(h.loop(), h.jane, given)).duplicate);
        CHECK(h.inbox().entries.empty());
        CHECK_FALSE(h.get(h.store().deliver(h.loop(), h.john, given)).duplicate);
    }
    SUBCASE("a delivery finds its mailbox, makes it, or goes to INBOX") {
        auto given = h.delivery("one");
        given.mailbox = "lists/dev";
        h.get(h.store().deliver(h.loop(), h.jane, given));
        CHECK(h.box().messages == 1);
        given.id = h.new_id();
        given.create_mailbox = true;
        h.get(h.store().deliver(h.loop(), h.jane, given));
        CHECK(h.box("lists/dev").messages == 1);
        given.id = h.new_id();
        given.create_mailbox = false;
        h.get(h.store().deliver(h.loop(), h.jane, given));
        CHECK(h.box("lists/dev").messages == 2);
    }
    SUBCASE("bodies of any size, read in pieces") {
        for (const std::size_t size : {0UL, 1UL, 4096UL, 65'535UL, 65'536UL, 65'537UL, 3'000'000UL}) {
            CAPTURE(size);
            std::string text(size, 'x');
            for (std::size_t i = 0; i < size; i += 97) text[i] = static_cast<char>('a' + i % 26);
            const auto added = h.deliver(text);
            CHECK(h.bytes(added.email) == text);
        }
        const auto inbox = h.inbox();
        CHECK(uids_of(inbox.entries) == "1:7");
    }
    SUBCASE("what is appended comes in as one") {
        auto upload = h.get(h.store().upload(h.loop(), h.jane, 0));
        std::string text;
        for (int i = 0; i < 9; ++i) {
            const std::string piece(static_cast<std::size_t>(20'000 + i), static_cast<char>('a' + i));
            h.get(upload->write(h.loop(), piece));
            text += piece;
        }
        CHECK(upload->size() == text.size());
        std::vector<NewMessage> both;
        both.push_back(h.message("small"));
        both.push_back(h.message(""));
        both[1].body = upload->finish();
        both[1].system = flag::seen | flag::draft;
        const auto drafts = h.box("Drafts");
        const auto added = h.get(h.store().append(h.loop(), h.jane, drafts.id, both, std::nullopt));
        REQUIRE(added.size() == 2);
        CHECK(added[0].uid == 1);
        CHECK(added[1].uid == 2);
        CHECK(added[1].uid_validity == drafts.uid_validity);
        CHECK(h.bytes(added[1].email) == text);
        CHECK(h.box("Drafts").unseen == 1);
        CHECK(h.code(h.store().append(h.loop(), h.jane, 9999, both, std::nullopt)) == ENOENT);
    }
    SUBCASE("an upload that is dropped leaves nothing") {
        {
            auto upload = h.get(h.store().upload(h.loop(), h.jane, 1 << 20));
            h.get(upload->write(h.loop(), std::string(200'000, 'x')));
        }
        CHECK(h.get(h.store().state(h.loop(), h.jane)).bytes == 0);
    }
}

void quotas(StoreHarness& h) {
    const Quota quota{.bytes = 100, .messages = 3};
    SUBCASE("over quota nothing comes in") {
        auto given = h.delivery(std::string(60, 'x'));
        given.quota = quota;
        h.get(h.store().deliver(h.loop(), h.jane, given));
        given.id = h.new_id();
        const auto refused = h.await(h.store().deliver(h.loop(), h.jane, given));
        REQUIRE_FALSE(refused);
        CHECK(is_over_quota(refused.error()));
        CHECK(refused.error().status == "5.2.2");
        std::vector<NewMessage> three;
        for (int i = 0; i < 3; ++i) three.push_back(h.message("x"));
        CHECK(h.code(h.store().append(h.loop(), h.jane, h.box().id, three, quota)) == EDQUOT);
        three.pop_back();
        CHECK(h.code(h.store().append(h.loop(), h.jane, h.box().id, three, quota)) == 0);
        const auto state = h.get(h.store().state(h.loop(), h.jane));
        CHECK(state.bytes == 62);
        CHECK(state.messages == 3);
    }
    SUBCASE("room that was reserved is kept, until it is used or released") {
        auto given = h.delivery(std::string(60, 'x'));
        given.quota = quota;
        h.get(h.store().reserve(h.loop(), h.jane, given.id, 60, quota));
        const auto other = h.new_id();
        CHECK(h.code(h.store().reserve(h.loop(), h.jane, other, 41, quota)) == EDQUOT);
        h.get(h.store().reserve(h.loop(), h.jane, other, 40, quota));
        h.get(h.store().reserve(h.loop(), h.jane, other, 40, quota));
        auto late = h.delivery("x");
        late.quota = quota;
        CHECK(h.code(h.store().deliver(h.loop(), h.jane, late)) == EDQUOT);
        h.get(h.store().deliver(h.loop(), h.jane, given));
        auto state = h.get(h.store().state(h.loop(), h.jane));
        CHECK(state.bytes == 60);
        CHECK(state.reserved_bytes == 40);
        CHECK(state.reserved_messages == 1);
        h.store().release(h.jane, other);
        CHECK(h.get(h.store().state(h.loop(), h.jane)).reserved_bytes == 0);
        h.get(h.store().deliver(h.loop(), h.jane, late));
    }
    SUBCASE("room that was reserved is free again when its message has ended, in all accounts") {
        const auto id = h.new_id();
        const auto other = h.new_id();
        h.get(h.store().reserve(h.loop(), h.jane, id, 60, quota));
        h.get(h.store().reserve(h.loop(), h.john, id, 60, quota));
        h.get(h.store().reserve(h.loop(), h.john, other, 7, quota));
        h.store().settled(h.new_id());
        CHECK(h.get(h.store().state(h.loop(), h.jane)).reserved_bytes == 60);
        h.store().settled(id);
        CHECK(h.get(h.store().state(h.loop(), h.jane)).reserved_bytes == 0);
        CHECK(h.get(h.store().state(h.loop(), h.jane)).reserved_messages == 0);
        CHECK(h.get(h.store().state(h.loop(), h.john)).reserved_bytes == 7);
    }
    SUBCASE("an email counts once, and no more when it has left its last mailbox") {
        const auto added = h.deliver("12345");
        h.get(h.store().copy(h.loop(), h.jane, h.scope(added.mailbox), {1}, h.box("Archive").id));
        CHECK(h.get(h.store().state(h.loop(), h.jane)).bytes == 5);
        h.get(h.store().expunge(h.loop(), h.jane, h.scope(added.mailbox), {1}, false));
        CHECK(h.get(h.store().state(h.loop(), h.jane)).messages == 1);
        h.get(h.store().expunge(h.loop(), h.jane, h.box("Archive").scope(), {1}, false));
        const auto state = h.get(h.store().state(h.loop(), h.jane));
        CHECK(state.bytes == 0);
        CHECK(state.messages == 0);
    }
}

void mailboxes(StoreHarness& h) {
    auto& store = h.store();
    SUBCASE("made, with the levels above, once") {
        const auto made = h.get(store.create_mailbox(h.loop(), h.jane, "a/b/c", Role::none));
        CHECK(made.name == "a/b/c");
        CHECK_FALSE(made.subscribed);
        CHECK(h.box("a/b").id != made.id);
        CHECK(h.box("a").messages == 0);
        CHECK(h.code(store.create_mailbox(h.loop(), h.jane, "a/b", Role::none)) == EEXIST);
        CHECK(h.code(store.create_mailbox(h.loop(), h.jane, "inbox", Role::none)) == EEXIST);
        CHECK(h.code(store.create_mailbox(h.loop(), h.jane, "a//b", Role::none)) == EINVAL);
        CHECK(h.code(store.mailbox(h.loop(), h.jane, "nowhere")) == ENOENT);
        CHECK(is_missing(h.await(store.mailbox(h.loop(), h.jane, "a//b")).error()));
    }
    SUBCASE("renamed with all below, ids and UIDs stay") {
        const auto c = h.get(store.create_mailbox(h.loop(), h.jane, "a/b/c", Role::none));
        h.get(store.create_mailbox(h.loop(), h.jane, "ab", Role::none));
        h.get(store.subscribe(h.loop(), h.jane, "a/b/c", true));
        h.get(store.append(h.loop(), h.jane, c.id, {h.message("x")}, std::nullopt));
        h.get(store.rename_mailbox(h.loop(), h.jane, "a", "x/y"));
        const auto moved = h.box("x/y/b/c");
        CHECK(moved.id == c.id);
        CHECK(moved.uid_validity == c.uid_validity);
        CHECK(moved.messages == 1);
        CHECK(moved.subscribed);
        CHECK(h.box("x").messages == 0);
        CHECK(h.box("ab").messages == 0);
        CHECK(h.code(store.mailbox(h.loop(), h.jane, "a/b")) == ENOENT);
        CHECK(h.code(store.rename_mailbox(h.loop(), h.jane, "a", "z")) == ENOENT);
        CHECK(h.code(store.rename_mailbox(h.loop(), h.jane, "x", "ab")) == EEXIST);
        CHECK(h.code(store.rename_mailbox(h.loop(), h.jane, "x", "x/z")) == EINVAL);
    }
    SUBCASE("renaming INBOX moves what is in it") {
        h.deliver("one");
        const auto before = h.box();
        h.get(store.rename_mailbox(h.loop(), h.jane, "INBOX", "old"));
        CHECK(h.box("old").messages == 1);
        CHECK(h.box("old").role == Role::none);
        CHECK(h.box().messages == 0);
        CHECK(h.box().id == before.id);
        CHECK(h.box().uid_next == 2);
        CHECK(h.deliver("two").uid == 2);
    }
    SUBCASE("removed, its name used again: another UIDVALIDITY or higher UIDs") {
        const auto first = h.get(store.create_mailbox(h.loop(), h.jane, "a", Role::none));
        h.get(store.create_mailbox(h.loop(), h.jane, "a/b", Role::none));
        h.get(store.append(h.loop(), h.jane, first.id, {h.message("x")}, std::nullopt));
        h.get(store.remove_mailbox(h.loop(), h.jane, "a"));
        CHECK(h.code(store.mailbox(h.loop(), h.jane, "a")) == ENOENT);
        CHECK(h.box("a/b").messages == 0);
        CHECK(h.get(store.state(h.loop(), h.jane)).messages == 0);
        CHECK(h.code(store.snapshot(h.loop(), h.jane, first.id)) == ENOENT);
        const auto second = h.get(store.create_mailbox(h.loop(), h.jane, "a", Role::none));
        CHECK(second.id > first.id);
        CHECK((second.uid_validity > first.uid_validity || second.uid_next > 1));
        CHECK(h.code(store.remove_mailbox(h.loop(), h.jane, "INBOX")) == EPERM);
        CHECK(h.code(store.remove_mailbox(h.loop(), h.jane, "b")) == ENOENT);
    }
    SUBCASE("a role is one mailbox's") {
        const auto made = h.get(store.create_mailbox(h.loop(), h.jane, "Spam", Role::junk));
        CHECK(made.role == Role::junk);
        CHECK(h.box("Junk").role == Role::none);
        h.get(store.set_role(h.loop(), h.jane, h.box("Junk").id, Role::junk));
        CHECK(h.box("Spam").role == Role::none);
        CHECK(h.code(store.set_role(h.loop(), h.jane, h.box().id, Role::none)) == EPERM);
        CHECK(h.code(store.set_role(h.loop(), h.jane, made.id, Role::inbox)) == EPERM);
        h.get(store.set_sort_order(h.loop(), h.jane, made.id, 7));
        CHECK(h.box("Spam").sort_order == 7);
    }
    SUBCASE("names are subscribed to, there or not") {
        h.get(store.subscribe(h.loop(), h.jane, "not/there", true));
        h.get(store.subscribe(h.loop(), h.jane, "Trash", false));
        CHECK_FALSE(h.box("Trash").subscribed);
        const auto names = h.get(store.subscriptions(h.loop(), h.jane));
        CHECK(std::ranges::find(names, "not/there") != names.end());
        CHECK(std::ranges::find(names, "Trash") == names.end());
        h.get(store.create_mailbox(h.loop(), h.jane, "not/there", Role::none));
        CHECK(h.box("not/there").subscribed);
        CHECK(h.code(store.subscribe(h.loop(), h.jane, "a//b", true)) == EINVAL);
    }
}

void flags(StoreHarness& h) {
    for (int i = 0; i < 5; ++i) h.deliver("message " + std::to_string(i));
    const auto id = h.box().id;
    SUBCASE("added, removed, replaced") {
        auto done = h.flags(id, {1, 2, 9}, {.how = How::add, .system = flag::seen, .keywords = {"$Junk"}});
        CHECK(uids_of(done.entries) == "1:2");
        CHECK(done.keywords == Keywords{"$Junk"});
        CHECK(done.entries[0].flags == (flag::seen | flag::keyword(0)));
        CHECK(done.entries[0].modseq == done.modseq);
        CHECK(h.box().unseen == 3);
        const auto modseq = done.modseq;
        done = h.flags(id, {1}, {.how = How::remove, .system = flag::seen, .keywords = {"$junk", "unheard-of"}});
        CHECK(done.entries[0].flags == 0);
        CHECK(done.modseq > modseq);
        CHECK(done.keywords == Keywords{"$Junk"});
        done = h.flags(id, {2}, {.how = How::replace, .system = flag::deleted | flag::answered});
        CHECK(done.entries[0].flags == (flag::deleted | flag::answered));
        CHECK(h.box().deleted == 1);
        CHECK(h.box().unseen == 5);
        CHECK(h.box().highest_modseq == done.modseq);
    }
    SUBCASE("messages that stand between them stay as they are") {
        h.flags(id, {2}, {.system = flag::seen});
        const auto before = h.inbox().entries;
        const auto done = h.flags(id, {1, 3, 5}, {.how = How::add, .system = flag::flagged});
        CHECK(uids_of(done.entries) == "1,3,5");
        h.flags(id, UidSet::of(1, 4), {.how = How::add, .system = flag::seen});
        const auto after = h.inbox().entries;
        CHECK(after[0].flags == (flag::flagged | flag::seen));
        CHECK(after[1].flags == flag::seen);
        CHECK(after[1].modseq == before[1].modseq);
        CHECK(after[2].flags == (flag::flagged | flag::seen));
        CHECK(after[3].flags == flag::seen);
        CHECK(after[4].flags == flag::flagged);
        CHECK(after[4].modseq == done.modseq);
        CHECK(h.box().unseen == 1);
    }
    SUBCASE("what changes nothing has no modseq of its own") {
        const auto first = h.flags(id, {1}, {.system = flag::seen});
        const auto again = h.flags(id, {1}, {.system = flag::seen});
        CHECK(again.entries[0].modseq == first.modseq);
        CHECK(again.modseq == first.modseq);
    }
    SUBCASE("UNCHANGEDSINCE leaves alone what changed after it") {
        const auto first = h.flags(id, {2}, {.system = flag::seen});
        const auto done =
            h.flags(id, UidSet::of(1, 3), {.system = flag::flagged, .unchanged_since = first.modseq - 1});
        CHECK(done.modified.text() == "2");
        CHECK(uids_of(done.entries) == "1,3");
        const auto all = h.flags(id, UidSet::of(1, 3), {.system = flag::answered, .unchanged_since = done.modseq});
        CHECK(all.modified.empty());
    }
    SUBCASE("there are so many keywords and no more") {
        for (unsigned i = 0; i < flag::max_keywords; ++i)
            h.flags(id, {1}, {.how = How::add, .keywords = {"k" + std::to_string(i)}});
        const auto last = h.inbox().entries[0].flags;
        CHECK(static_cast<std::int64_t>(last) > 0);
        CHECK(h.code(h.store().store_flags(h.loop(), h.jane, h.scope(id), {1}, {.keywords = {"more"}})) == ENOSPC);
        CHECK(h.inbox().entries[0].flags == last);
    }
}

void copies(StoreHarness& h) {
    for (int i = 0; i < 5; ++i) h.deliver("message " + std::to_string(i));
    const auto from = h.box();
    const auto to = h.box("Archive");
    h.flags(from.id, {2}, {.system = flag::seen});
    SUBCASE("a copy is the same email with the same flags") {
        const auto copied = h.get(h.store().copy(h.loop(), h.jane, from.scope(), {4, 2, 77}, to.id));
        CHECK(copied.uid_validity == to.uid_validity);
        CHECK(copied.uids == std::vector<std::pair<Uid, Uid>>{{2, 1}, {4, 2}});
        const auto there = h.snapshot(to.id);
        const auto here = h.snapshot(from.id);
        REQUIRE(there.entries.size() == 2);
        CHECK(there.entries[0].email == here.entries[1].email);
        CHECK(there.entries[0].flags == flag::seen);
        CHECK(there.mailbox.unseen == 1);
        CHECK(there.mailbox.bytes == 18);
        CHECK(here.entries.size() == 5);
    }
    SUBCASE("a copy into the same mailbox") {
        const auto copied = h.get(h.store().copy(h.loop(), h.jane, from.scope(), {5}, from.id));
        CHECK(copied.uids == std::vector<std::pair<Uid, Uid>>{{5, 6}});
        CHECK(uids_of(h.inbox().entries) == "1:6");
    }
    SUBCASE("what is moved is gone from where it was") {
        const auto since = h.box().highest_modseq;
        const auto moved = h.get(h.store().move(h.loop(), h.jane, from.scope(), UidSet::of(2, 3), to.id));
        CHECK(moved.uids == std::vector<std::pair<Uid, Uid>>{{2, 1}, {3, 2}});
        CHECK(uids_of(h.inbox().entries) == "1,4:5");
        CHECK(h.box("Archive").messages == 2);
        const auto changes = h.get(h.store().changes(h.loop(), h.jane, from.scope(), since));
        CHECK(changes.vanished.text() == "2:3");
        CHECK(changes.changed.empty());
        const auto account = h.get(h.store().account_changes(h.loop(), h.jane, since, 100));
        CHECK(account.emails.destroyed.empty());
        CHECK(account.emails.updated.count() == 2);
        CHECK(h.get(h.store().state(h.loop(), h.jane)).messages == 5);
    }
    SUBCASE("from and to mailboxes that are not there") {
        CHECK(h.code(h.store().copy(h.loop(), h.jane, from.scope(), {1}, 9999)) == ENOENT);
        CHECK(h.code(h.store().move(h.loop(), h.jane, h.scope(9999), {1}, to.id)) == ENOENT);
        CHECK(h.get(h.store().copy(h.loop(), h.jane, from.scope(), {77}, to.id)).uids.empty());
    }
}

void stale(StoreHarness& h) {
    h.deliver("one");
    const auto box = h.box();
    h.flags(box.id, {1}, {.system = flag::deleted});
    const auto archive = h.box("Archive").id;
    const UidScope other{box.id, box.uid_validity + 1};
    CHECK(h.code(h.store().messages(h.loop(), h.jane, other, {1}, false)) == ESTALE);
    CHECK(h.code(h.store().changes(h.loop(), h.jane, other, box.highest_modseq)) == ESTALE);
    CHECK(h.code(h.store().store_flags(h.loop(), h.jane, other, {1}, {.system = flag::seen})) == ESTALE);
    CHECK(h.code(h.store().copy(h.loop(), h.jane, other, {1}, archive)) == ESTALE);
    CHECK(h.code(h.store().move(h.loop(), h.jane, other, {1}, archive)) == ESTALE);
    CHECK(h.code(h.store().expunge(h.loop(), h.jane, other, UidSet::all(), true)) == ESTALE);
    CHECK(h.code(h.store().expunge(h.loop(), h.jane, {9999, 1}, UidSet::all(), true)) == ENOENT);
    const auto inbox = h.inbox();
    REQUIRE(inbox.entries.size() == 1);
    CHECK(inbox.entries[0].flags == flag::deleted);
    CHECK(h.box("Archive").messages == 0);
}

void expunges(StoreHarness& h) {
    for (int i = 0; i < 6; ++i) h.deliver("message " + std::to_string(i));
    const auto id = h.box().id;
    SUBCASE("by UID, or those marked among them") {
        h.flags(id, {2, 3, 6}, {.system = flag::deleted});
        auto gone = h.get(h.store().expunge(h.loop(), h.jane, h.scope(id), UidSet::of(1, 3), true));
        CHECK(gone.uids.text() == "2:3");
        CHECK(h.box().deleted == 1);
        gone = h.get(h.store().expunge(h.loop(), h.jane, h.scope(id), {1, 2}, false));
        CHECK(gone.uids.text() == "1");
        gone = h.get(h.store().expunge(h.loop(), h.jane, h.scope(id), UidSet::all(), true));
        CHECK(gone.uids.text() == "6");
        CHECK(h.box().highest_modseq == gone.modseq);
        CHECK(h.get(h.store().expunge(h.loop(), h.jane, h.scope(id), {6}, false)).uids.empty());
        CHECK(uids_of(h.inbox().entries) == "4:5");
    }
    SUBCASE("a UID is never given again") {
        h.get(h.store().expunge(h.loop(), h.jane, h.scope(id), UidSet::all(), false));
        CHECK(h.inbox().entries.empty());
        CHECK(h.deliver("x").uid == 7);
    }
    SUBCASE("a body stays readable while it is open") {
        const auto email = h.inbox().entries[0].email;
        const auto body = h.get(h.store().open(h.loop(), h.jane, email));
        h.get(h.store().expunge(h.loop(), h.jane, h.scope(id), {1}, false));
        CHECK(h.get(body->read(h.loop(), 0, 100)) == "message 0");
        CHECK(h.get(body->read(h.loop(), 8, 100)) == "0");
        CHECK(h.code(h.store().open(h.loop(), h.jane, email)) == ENOENT);
    }
    SUBCASE("several bodies are opened at once, in the order asked for") {
        const auto entries = h.inbox().entries;
        h.get(h.store().expunge(h.loop(), h.jane, h.scope(id), {2}, false));
        const auto opened =
            h.get(h.store().open_all(h.loop(), h.jane, {entries[2].email, entries[1].email, entries[0].email}));
        REQUIRE(opened.size() == 3);
        CHECK(h.get(opened[0].value()->read(h.loop(), 0, 100)) == "message 2");
        REQUIRE(!opened[1]);
        CHECK(opened[1].error().code == ENOENT);
        CHECK(h.get(opened[2].value()->read(h.loop(), 0, 100)) == "message 0");
    }
}

void changes(StoreHarness& h) {
    for (int i = 0; i < 6; ++i) h.deliver("message " + std::to_string(i));
    const auto box = h.box();
    const auto since = box.highest_modseq;
    const auto look = [&](ModSeq from) { return h.get(h.store().changes(h.loop(), h.jane, box.scope(), from)); };
    SUBCASE("nothing happened") {
        const auto found = look(since);
        CHECK_FALSE(found.too_old);
        CHECK(found.changed.empty());
        CHECK(found.vanished.empty());
        CHECK(found.mailbox.highest_modseq == since);
    }
    SUBCASE("new, changed, gone") {
        h.flags(box.id, {2, 4}, {.system = flag::seen});
        h.deliver("message 6");
        const auto middle = h.box().highest_modseq;
        h.get(h.store().expunge(h.loop(), h.jane, box.scope(), {1, 4}, false));
        h.flags(box.id, {5}, {.system = flag::seen});
        auto found = look(since);
        CHECK(uids_of(found.changed) == "2,5,7");
        CHECK(found.vanished.text() == "1,4");
        found = look(middle);
        CHECK(uids_of(found.changed) == "5");
        CHECK(found.vanished.text() == "1,4");
        CHECK(uids_of(look(0).changed) == "2:3,5:7");
    }
    SUBCASE("of the whole account, for JMAP") {
        const auto made = h.get(h.store().create_mailbox(h.loop(), h.jane, "new", Role::none));
        const auto entries = h.inbox().entries;
        const auto state = h.get(h.store().state(h.loop(), h.jane)).modseq;
        h.flags(box.id, {1}, {.system = flag::seen});
        h.get(h.store().copy(h.loop(), h.jane, box.scope(), {2}, made.id));
        h.get(h.store().expunge(h.loop(), h.jane, box.scope(), {2, 3}, false));
        const auto added = h.deliver("message 6");
        const auto passed = h.deliver("message 7");
        h.get(h.store().expunge(h.loop(), h.jane, box.scope(), {passed.uid}, false));
        const auto found = h.get(h.store().account_changes(h.loop(), h.jane, state, 1000));
        CHECK_FALSE(found.too_old);
        CHECK_FALSE(found.more);
        CHECK(found.emails.created == IdSet{added.email});
        CHECK(found.emails.updated == IdSet{entries[0].email, entries[1].email});
        CHECK(found.emails.destroyed == IdSet{entries[2].email});
        CHECK(found.mailboxes.updated == IdSet{box.id, made.id});
        CHECK(found.mailboxes.created.empty());
        CHECK(found.threads.contains(added.thread));
        CHECK(found.state == h.get(h.store().state(h.loop(), h.jane)).modseq);
        const auto before = h.get(h.store().account_changes(h.loop(), h.jane, 0, 1000));
        CHECK(before.mailboxes.created.contains(made.id));
        CHECK(before.emails.created.count() == 6);
        h.get(h.store().remove_mailbox(h.loop(), h.jane, "new"));
        const auto after = h.get(h.store().account_changes(h.loop(), h.jane, found.state, 1000));
        CHECK(after.mailboxes.destroyed == IdSet{made.id});
        CHECK(after.emails.destroyed == IdSet{entries[1].email});
    }
    SUBCASE("of the whole account, bit by bit") {
        IdSet created;
        ModSeq state = 0;
        for (int round = 0;; ++round) {
            REQUIRE(round < 50);
            const auto found = h.get(h.store().account_changes(h.loop(), h.jane, state, 2));
            CHECK(found.emails.created.count() <= 3);
            created.add(found.emails.created);
            if (!found.more) break;
            CHECK(found.state > state);
            state = found.state;
        }
        CHECK(created.count() == 6);
    }
    SUBCASE("watchers are told") {
        std::vector<Notice> told;
        auto watching = h.store().watch(h.loop(), h.jane, [&](const Notice& notice) { told.push_back(notice); });
        h.get(h.store().mailboxes(h.loop(), h.jane));
        h.get(h.store().deliver(h.loop(), h.john, h.delivery("not hers")));
        h.loops.run_until_idle();
        CHECK(told.empty());
        const auto added = h.deliver("hers");
        REQUIRE(h.loops.run_until_real([&] { return !told.empty(); }));
        CHECK(told.back().modseq == added.modseq);
        CHECK(told.back().mailboxes == std::vector{box.id});
        watching.reset();
        const auto count = told.size();
        h.deliver("nobody hears");
        h.loops.run_until_idle();
        CHECK(told.size() == count);
    }
}

void emails(StoreHarness& h) {
    auto first = h.message("one");
    first.thread_keys = {"<1@x>\nhello"};
    auto answer = h.message("two");
    answer.thread_keys = {"<1@x>\nhello", "<2@x>\nhello"};
    answer.received += std::chrono::seconds(5);
    auto other = h.message("three");
    other.thread_keys = {"<1@x>\nanother subject"};
    const auto inbox = h.box();
    const auto archive = h.box("Archive");
    const auto added = h.get(h.store().append(h.loop(), h.jane, inbox.id, {answer, other, first}, std::nullopt));
    auto& store = h.store();
    SUBCASE("an email knows its mailboxes") {
        h.get(store.copy(h.loop(), h.jane, inbox.scope(), {1}, archive.id));
        const auto found = h.get(store.emails(h.loop(), h.jane, {added[1].email, 9999, added[0].email}, true));
        REQUIRE(found.size() == 2);
        CHECK(found[0].id == added[1].email);
        CHECK(found[1].size == 3);
        CHECK(found[1].received == answer.received);
        CHECK(found[1].memberships.size() == 2);
    }
    SUBCASE("messages that answer each other are one thread") {
        CHECK(added[0].thread == added[2].thread);
        CHECK(added[1].thread != added[0].thread);
        CHECK(h.get(store.thread(h.loop(), h.jane, added[0].thread)) ==
              std::vector{added[2].email, added[0].email});
        h.get(store.expunge(h.loop(), h.jane, inbox.scope(), {1}, false));
        CHECK(h.get(store.thread(h.loop(), h.jane, added[0].thread)) == std::vector{added[2].email});
    }
    SUBCASE("refiled: in here, out of there, at once") {
        h.flags(inbox.id, {1}, {.system = flag::flagged});
        const auto since = h.get(store.state(h.loop(), h.jane)).modseq;
        h.get(store.refile(h.loop(), h.jane, {added[0].email, added[1].email}, {archive.id}, {inbox.id}));
        CHECK(uids_of(h.inbox().entries) == "3");
        const auto there = h.snapshot(archive.id);
        REQUIRE(there.entries.size() == 2);
        CHECK(there.entries[0].email == added[0].email);
        CHECK(there.entries[0].flags == flag::flagged);
        const auto found = h.get(store.account_changes(h.loop(), h.jane, since, 100));
        CHECK(found.emails.updated == IdSet{added[0].email, added[1].email});
        CHECK(found.emails.destroyed.empty());
        // Into a mailbox it is in already: nothing new.
        h.get(store.refile(h.loop(), h.jane, {added[0].email}, {archive.id}, {}));
        CHECK(h.box("Archive").messages == 2);
        // Out of all: expunged.
        h.get(store.refile(h.loop(), h.jane, {added[0].email}, {}, {archive.id}));
        CHECK(h.get(store.emails(h.loop(), h.jane, {added[0].email}, false)).empty());
        CHECK(h.code(store.refile(h.loop(), h.jane, {added[2].email, 9999}, {}, {inbox.id})) == ENOENT);
        CHECK(uids_of(h.inbox().entries) == "3");
    }
    SUBCASE("flags of an email are those of all its memberships") {
        h.get(store.copy(h.loop(), h.jane, inbox.scope(), {1}, archive.id));
        h.get(store.store_email_flags(h.loop(), h.jane, {added[0].email},
                                      {.how = How::add, .system = flag::seen, .keywords = {"$X"}}));
        CHECK(h.snapshot(archive.id).entries[0].flags == (flag::seen | flag::keyword(0)));
        CHECK(h.inbox().entries[0].flags == (flag::seen | flag::keyword(0)));
        CHECK(h.box().unseen == 2);
        CHECK(h.code(store.store_email_flags(h.loop(), h.jane, {9999}, {.system = flag::seen})) == ENOENT);
    }
}

// All of it, call by call.
std::vector<std::string> found(StoreHarness& h, UidScope box, UidSet uids, const TextQuery& query) {
    std::vector<IdSet> all(query.size());
    while (!uids.empty()) {
        const auto answer = h.get(h.store().search(h.loop(), h.jane, box, uids, query));
        for (std::size_t i = 0; i < all.size(); ++i) all[i].add(answer.found[i]);
        uids = answer.rest;
    }
    std::vector<std::string> out;
    for (const auto& set : all) out.push_back(set.text());
    return out;
}

void searches(StoreHarness& h) {
    using Where = TextKey::Where;
    const auto inbox = h.box();
    const auto everything = UidSet::all();
    const auto one = [&](TextKey key) { return found(h, inbox.scope(), everything, {std::move(key)}).front(); };
    const auto text = [&](std::string needle) { return one({.where = Where::text, .needle = std::move(needle)}); };
    const auto body = [&](std::string needle) { return one({.where = Where::body, .needle = std::move(needle)}); };
    const auto field = [&](std::string name, std::string needle) {
        return one({.where = Where::field, .field = std::move(name), .needle = std::move(needle)});
    };
    h.deliver(
        "From: Ann <ann@x.example>\r\nSubject: Hello\r\n world\r\nX-Odd: \r\n\r\nSome words of\r\n a text\r\n");
    h.deliver(
        "Subject: =?iso-8859-1?q?Gr=FC=DFe?=\r\nContent-Type: text/plain; charset=iso-8859-1\r\n"
        "Content-Transfer-Encoding: quoted-printable\r\n\r\nbl=E5b=E6r og r=F8m=\r\nme\r\n");
    h.deliver(
        "Subject: parts\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"
        "Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        "PHA+d2F0ZXI8Yj5mYWxsPC9iPiAmYW1wOyBzbzwvcD48c2NyaXB0PmhpZGRlbjwvc2NyaXB0Pg==\r\n--b\r\n"
        "Content-Type: message/rfc822\r\n\r\nSubject: inner hello\r\n\r\ndeep text\r\n--b\r\n"
        "Content-Type: application/octet-stream; name=\"file.bin\"\r\n\r\ncargo\r\n--b--\r\n");
    SUBCASE("in headers, bodies, and single fields") {
        CHECK(text("HELLO W") == "1");
        CHECK(text("hello") == "1,3");
        CHECK(text("subject: PARTS") == "3");
        CHECK(body("hello") == "3");
        CHECK(body("words of a text") == "1");
        CHECK(field("subject", "hello") == "1");
        CHECK(field("From", "ANN@x") == "1");
        CHECK(field("x-odd", "") == "1");
        CHECK(field("x-odd", "x") == "");
        CHECK(text("") == "1:3");
        CHECK(text("e") == "1:3");
        CHECK(text("nothing of this") == "");
    }
    SUBCASE("decoded, in any case, of any charset") {
        CHECK(field("subject", "GR\xc3\x9cSS") == "");
        CHECK(field("subject", "gR\xc3\x9c\xc3\x9f") == "2");
        CHECK(body("BL\xc3\x85"
                   "B\xc3\x86R OG R\xc3\x98MME") == "2");
        CHECK(body("b\xc3\xa6") == "2");
        CHECK(body("waterfall & so") == "3");
        CHECK(body("hidden") == "");
        CHECK(body("cargo") == "");
        CHECK(body("file.bin") == "3");
        CHECK(body("deep") == "3");
    }
    SUBCASE("several keys at once, of some messages alone") {
        const TextQuery query{{.where = Where::text, .needle = "hello"},
                              {.where = Where::body, .needle = "text"},
                              {.where = Where::text, .needle = "world some", .words = true}};
        CHECK(found(h, inbox.scope(), everything, query) == std::vector<std::string>{"1,3", "1,3", "1"});
        CHECK(found(h, inbox.scope(), {2, 3}, query) == std::vector<std::string>{"3", "3", ""});
        CHECK(found(h, inbox.scope(), {7}, query) == std::vector<std::string>{"", "", ""});
        CHECK(h.code(h.store().search(h.loop(), h.jane, {9999, 1}, everything, query)) == ENOENT);
    }
    SUBCASE("what came, went and was moved since") {
        CHECK(text("hello") == "1,3");
        h.deliver("Subject: hello again\r\n\r\n");
        CHECK(text("hello") == "1,3:4");
        h.get(h.store().expunge(h.loop(), h.jane, inbox.scope(), {1}, false));
        CHECK(text("hello") == "3:4");
        const auto archive = h.box("Archive");
        h.get(h.store().move(h.loop(), h.jane, inbox.scope(), {4}, archive.id));
        CHECK(text("hello") == "3");
        CHECK(found(h, archive.scope(), everything, {{.where = Where::text, .needle = "hello"}}).front() == "1");
        const auto email = h.snapshot(archive.id).entries[0].email;
        const auto answer = h.get(h.store().search_emails(h.loop(), h.jane, IdSet::all(), {{.needle = "again"}}));
        CHECK(answer.found.front() == IdSet{email});
    }
    SUBCASE("many, and large ones") {
        for (int i = 0; i < 150; ++i) h.deliver(fmt::format("Subject: n{}\r\n\r\nnumber {}\r\n", i, i));
        CHECK(body("number 14") == "18,144:153");
        CHECK(body("number ") == "4:153");
        h.deliver("Subject: large\r\n\r\n" + std::string(3'000'000, 'x') + " needle at the end\r\n");
        CHECK(body("needle at the end") == "154");
        CHECK(body(std::string(300, 'X')) == "154");
    }
}

void restarts(StoreHarness& h) {
    if (!h.survives()) return;
    const auto given = h.delivery("one");
    h.get(h.store().deliver(h.loop(), h.jane, given));
    const std::string large(200'000, 'l');
    const auto added = h.deliver(large);
    const auto made = h.get(h.store().create_mailbox(h.loop(), h.jane, "a", Role::none));
    h.flags(added.mailbox, {1}, {.system = flag::seen, .keywords = {"$K"}});
    h.get(h.store().copy(h.loop(), h.jane, h.scope(added.mailbox), {2}, made.id));
    h.get(h.store().expunge(h.loop(), h.jane, h.scope(added.mailbox), {2}, false));
    const auto before = h.inbox();
    h.restart();
    CHECK(h.get(h.store().accounts(h.loop())) == std::vector{h.jane});
    const auto after = h.inbox();
    CHECK(after.mailbox.uid_validity == before.mailbox.uid_validity);
    CHECK(after.mailbox.highest_modseq == before.mailbox.highest_modseq);
    REQUIRE(after.entries.size() == 1);
    CHECK(after.entries[0].flags == before.entries[0].flags);
    CHECK(after.keywords == before.keywords);
    CHECK(h.bytes(after.entries[0].email) == "one");
    CHECK(h.bytes(h.snapshot(made.id).entries[0].email) == large);
    CHECK(h.get(h.store().deliver(h.loop(), h.jane, given)).duplicate);
    const auto next = h.deliver("next");
    CHECK(next.uid > 2);
    CHECK(next.email > added.email);
    CHECK(next.modseq > before.mailbox.highest_modseq);
    const auto found = h.get(h.store().changes(h.loop(), h.jane, h.scope(added.mailbox), added.modseq));
    CHECK(found.vanished.text() == "2");
}

}  // namespace

void check_store_contract(const std::function<std::unique_ptr<StoreHarness>()>& make) {
    const auto harness = make();
    auto& h = *harness;
    SUBCASE("accounts") { accounts(h); }
    SUBCASE("deliveries") { deliveries(h); }
    SUBCASE("quotas") { quotas(h); }
    SUBCASE("mailboxes") { mailboxes(h); }
    SUBCASE("flags") { flags(h); }
    SUBCASE("copies") { copies(h); }
    SUBCASE("expunges") { expunges(h); }
    SUBCASE("UIDs that hold no more") { stale(h); }
    SUBCASE("changes") { changes(h); }
    SUBCASE("emails") { emails(h); }
    SUBCASE("searches") { searches(h); }
    SUBCASE("restarts") { restarts(h); }
}

}  // namespace posthorn::store
