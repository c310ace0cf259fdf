#include "proto/imap/parser.hpp"

#include <doctest/doctest.h>

#include "proto/imap/limits.hpp"

using namespace posthorn::imap;
using namespace std::string_literals;
using ItemKind = FetchItem::Kind;
using KeyKind = SearchKey::Kind;

namespace {

template <class T>
T get(const std::string& text, ParseOptions options = {}) {
    CAPTURE(text);
    auto parsed = parse_command("a " + text, options);
    if (!parsed) FAIL(parsed.error().text);
    REQUIRE(std::holds_alternative<T>(parsed->command.what));
    return std::get<T>(parsed->command.what);
}

std::string refused(const std::string& text) {
    const auto parsed = parse_command(text, {});
    return parsed ? "taken" : parsed.error().tag;
}

SequenceSet numbers(std::initializer_list<SequenceSet::Range> ranges) { return {.ranges = ranges}; }

}  // namespace

TEST_CASE("tags and verbs") {
    const auto parsed = parse_command("A1.b] uid fEtCh 1 fast", {});
    REQUIRE(parsed);
    CHECK(parsed->command.tag == "A1.b]");
    CHECK(parsed->command.uid);
    CHECK(parsed->command.verb == "FETCH");
    CHECK(parsed->when == When::selected);
    CHECK(refused("") == "");
    CHECK(refused("+a NOOP") == "");
    CHECK(refused("a") == "a");
    CHECK(refused("a ") == "a");
    CHECK(refused("a NOOP ") == "a");
    CHECK(refused("a  NOOP") == "a");
    CHECK(refused("a UID NOOP") == "a");
    CHECK(refused("a UID") == "a");
    CHECK(parse_command("a XYZZY", {}).error().unknown);
    CHECK_FALSE(parse_command("a FETCH", {}).error().unknown);
    CHECK(refused(std::string(Limits::tag + 1, 'a') + " NOOP") == "");
}

TEST_CASE("LOGIN and AUTHENTICATE") {
    const auto login = get<Login>("LOGIN {11}\r\nFRED FOOBAR {7+}\r\nfat man");  // RFC 9051 §4.3
    CHECK(login.user == "FRED FOOBAR");
    CHECK(login.password == "fat man");
    CHECK(get<Login>("LOGIN a \"x\\\"\\\\\"").password == "x\"\\");
    CHECK(get<Login>("LOGIN a \"\"").password.empty());
    CHECK(get<Login>("LOGIN a]b c").user == "a]b");
    for (const auto* bad :
         {"LOGIN a", "LOGIN a \"x", "LOGIN a \"\\x\"", "LOGIN a b c", "LOGIN a {3}\r\nab", "LOGIN (a) b"}) {
        CHECK(refused("a "s + bad) == "a");
    }
    CHECK(refused("a LOGIN a {1}\r\n\0"s) == "a");
    CHECK(get<Authenticate>("AUTHENTICATE plain").mechanism == "PLAIN");
    CHECK_FALSE(get<Authenticate>("AUTHENTICATE PLAIN").initial);
    CHECK(get<Authenticate>("AUTHENTICATE EXTERNAL =").initial == "");
    CHECK(get<Authenticate>("AUTHENTICATE PLAIN dGVzdAB0ZXN0AHRlc3Q=").initial == "dGVzdAB0ZXN0AHRlc3Q=");
}

TEST_CASE("ID and ENABLE") {
    const auto id = get<Id>("ID (\"name\" \"sodr\" \"version\" NIL)");  // RFC 2971 §3.1
    REQUIRE(id.fields.size() == 2);
    CHECK(id.fields[0].second == "sodr");
    CHECK_FALSE(id.fields[1].second);
    CHECK(get<Id>("ID NIL").fields.empty());
    CHECK(get<Id>("ID ()").fields.empty());
    CHECK(get<Enable>("ENABLE condstore X-GOOD-IDEA").names == std::vector{"CONDSTORE"s, "X-GOOD-IDEA"s});
    CHECK(refused("a ENABLE") == "a");
}

TEST_CASE("SELECT") {
    CHECK(get<Select>("SELECT inbox").mailbox == "inbox");
    CHECK(get<Select>("EXAMINE x").examine);
    CHECK(get<Select>("SELECT INBOX (CONDSTORE)").condstore);
    const auto qresync =
        get<Select>("SELECT INBOX (QRESYNC (67890007 20050715194045000 41,43:211,214:541))").qresync;
    REQUIRE(qresync);
    CHECK(qresync->uid_validity == 67890007);
    CHECK(qresync->modseq == 20050715194045000);
    CHECK(qresync->known == numbers({{41, 41}, {43, 211}, {214, 541}}));
    const auto matched =  // RFC 7162 §3.2.5.2
        get<Select>("SELECT INBOX (QRESYNC (67890007 90060115194045000 41:211,214:541 (1,3 7,9)))").qresync;
    REQUIRE(matched);
    REQUIRE(matched->matches);
    CHECK(matched->matches->second == numbers({{7, 7}, {9, 9}}));
    CHECK(get<Select>("SELECT INBOX (QRESYNC (1 2))").qresync->modseq == 2);
    CHECK(get<Select>("SELECT INBOX (QRESYNC (1 2 (1 2)))").qresync->matches);
    CHECK(get<Select>("SELECT INBOX (QRESYNC (1 2 5:7) CONDSTORE)").condstore);
    CHECK(refused("a SELECT x (QRESYNC (1 2 1:*))") == "a");
    CHECK(refused("a SELECT x (X)") == "a");
    CHECK(refused("a SELECT") == "a");
}

TEST_CASE("mailbox names in both encodings") {
    CHECK(get<Select>("SELECT Entw&APw-rfe").mailbox == "Entw\u00fcrfe");
    CHECK(get<Select>("SELECT Entw&APw-rfe", {.utf8 = true}).mailbox == "Entw&APw-rfe");
    CHECK(get<Select>("SELECT \"Entw\u00fcrfe\"", {.utf8 = true}).mailbox == "Entw\u00fcrfe");
    CHECK(get<Select>("SELECT ~peter").mailbox == "~peter");
    CHECK(refused("a SELECT Entw&APw") == "a");
    CHECK(refused("a SELECT \"\xff\"") == "a");
    CHECK(refused("a SELECT a%") == "a");
}

TEST_CASE("CREATE, RENAME, SUBSCRIBE, STATUS") {
    CHECK(get<Create>("CREATE owatagusiam/").mailbox == "owatagusiam/");
    CHECK(get<Create>("CREATE x (USE (\\Drafts \\Sent))").uses ==
          std::vector{"\\Drafts"s, "\\Sent"s});  // RFC 6154 §5.4
    CHECK(get<Create>("CREATE x (USE ())").uses.empty());
    CHECK(refused("a CREATE x (USE (Drafts))") == "a");
    CHECK(get<Rename>("RENAME a b").to == "b");
    CHECK(get<Subscribe>("SUBSCRIBE a").on);
    CHECK_FALSE(get<Subscribe>("UNSUBSCRIBE a").on);
    CHECK(get<Delete>("DELETE \"a b\"").mailbox == "a b");
    CHECK(get<Status>("STATUS blurdybloop (UIDNEXT MESSAGES UIDNEXT)").items ==
          std::vector{StatusItem::uid_next, StatusItem::messages});
    CHECK(refused("a STATUS x ()") == "a");
    CHECK(refused("a STATUS x (FOO)") == "a");
}

TEST_CASE("LIST") {
    auto list = get<List>("LIST \"\" \"\"");
    CHECK_FALSE(list.extended);
    CHECK(list.patterns == std::vector{""s});
    CHECK(get<List>("LIST /usr/staff/jones *").patterns == std::vector{"*"s});
    CHECK(get<List>("LSUB \"#news.\" \"comp.%\"").lsub);
    list =
        get<List>("LIST (SUBSCRIBED RECURSIVEMATCH) \"\" (\"%\" Sent*) RETURN (CHILDREN STATUS (MESSAGES UNSEEN))");
    CHECK(list.extended);
    CHECK(list.subscribed);
    CHECK(list.recursive_match);
    CHECK(list.patterns == std::vector{"%"s, "Sent*"s});
    CHECK(list.return_children);
    CHECK(list.return_status == std::vector{StatusItem::messages, StatusItem::unseen});
    CHECK(get<List>("LIST () \"\" % RETURN ()").extended);
    CHECK(get<List>("LIST (SPECIAL-USE) \"\" % RETURN (SPECIAL-USE SUBSCRIBED)").special_use);
    CHECK(refused("a LIST (RECURSIVEMATCH) \"\" %") == "a");
    CHECK(refused("a LIST \"\" % RETURN") == "a");
    CHECK(refused("a LIST \"\"") == "a");
}

TEST_CASE("FETCH") {
    CHECK(get<Fetch>("FETCH 2:4 FAST").items.size() == 3);
    CHECK(get<Fetch>("FETCH 2:4 ALL").items.size() == 4);
    CHECK(get<Fetch>("FETCH 1 FULL").items.back().kind == ItemKind::body);
    CHECK(get<Fetch>("FETCH 1 BODYSTRUCTURE").items[0].kind == ItemKind::body_structure);
    CHECK(get<Fetch>("FETCH 1 BODY").items[0].kind == ItemKind::body);
    const auto fetch =
        get<Fetch>("FETCH 2,4:7,9,12:* (FLAGS BODY[HEADER.FIELDS (DATE \"FROM\")] BODY.PEEK[1.2.MIME]<0.2048>)");
    CHECK(fetch.set == numbers({{2, 2}, {4, 7}, {9, 9}, {12, SequenceSet::kStar}}));
    REQUIRE(fetch.items.size() == 3);
    CHECK(fetch.items[1] ==
          FetchItem{.kind = ItemKind::section,
                    .section = {.what = Section::What::header_fields, .fields = {"DATE", "FROM"}}});
    CHECK(fetch.items[2] == FetchItem{.kind = ItemKind::section,
                                      .peek = true,
                                      .section = {.part = {1, 2}, .what = Section::What::mime},
                                      .partial = Partial{0, 2048}});
    CHECK(get<Fetch>("FETCH 1 BODY[]").items[0].section == Section{});
    CHECK(get<Fetch>("FETCH 1 BODY[4.2.2.1]").items[0].section.part == std::vector<std::uint32_t>{4, 2, 2, 1});
    CHECK(get<Fetch>("FETCH 1 body[header.fields.not (x)]").items[0].section.what ==
          Section::What::header_fields_not);
    CHECK(get<Fetch>("FETCH 1 (RFC822.SIZE RFC822.HEADER RFC822.TEXT RFC822 INTERNALDATE UID)").items.size() == 6);
    CHECK(get<Fetch>("FETCH 1 BINARY.SIZE[3]").items[0].kind == ItemKind::binary_size);
    CHECK(get<Fetch>("FETCH 1 BINARY.PEEK[3]<5.6>").items[0].partial == Partial{5, 6});
    CHECK(get<Fetch>("FETCH 1 (PREVIEW (LAZY) EMAILID THREADID SAVEDATE MODSEQ)").items[0].lazy);
    CHECK(get<Fetch>("FETCH $ (PREVIEW)").set.saved);
    const auto changed = get<Fetch>("UID FETCH 300:500 (FLAGS) (CHANGEDSINCE 12345 VANISHED)");  // RFC 7162 §3.2.6
    CHECK(changed.changed_since == 12345);
    CHECK(changed.vanished);
    CHECK(get<Fetch>("UID FETCH 25900:26600 (UID FLAGS) (PARTIAL -1:-100)").partial ==
          std::pair<std::int64_t, std::int64_t>{-1, -100});
    for (const auto* bad : {"FETCH",
                            "FETCH 1",
                            "FETCH 0 FLAGS",
                            "FETCH 1: FLAGS",
                            "FETCH 1,, FLAGS",
                            "FETCH x FLAGS",
                            "FETCH 1 ()",
                            "FETCH 1 (ALL)",
                            "FETCH 1 BODY[",
                            "FETCH 1 BODY[MIME]",
                            "FETCH 1 BODY[1.]",
                            "FETCH 1 BODY[0]",
                            "FETCH 1 BODY[HEADERS]",
                            "FETCH 1 BODY[]<0.0>",
                            "FETCH 1 BODY[]<0>",
                            "FETCH 1 BINARY[TEXT]",
                            "FETCH 1 BODY[HEADER.FIELDS ()]",
                            "FETCH 4294967296 FLAGS",
                            "FETCH 1 FLAGS (VANISHED)",
                            "FETCH 1 (FLAGS",
                            "FETCH 1 FLAGS)"}) {
        CAPTURE(bad);
        CHECK(refused("a "s + bad) == "a");
    }
}

TEST_CASE("STORE, COPY, MOVE, EXPUNGE") {
    auto store = get<Store>("STORE 2:4 +FLAGS (\\Deleted)");
    CHECK(store.how == Store::How::add);
    CHECK_FALSE(store.silent);
    CHECK(store.flags == FlagList{flag::deleted, {}});
    store = get<Store>("STORE 7,5,9 (UNCHANGEDSINCE 320162338) -FLAGS.SILENT \\Seen $Processed");
    CHECK(store.how == Store::How::remove);
    CHECK(store.silent);
    CHECK(store.unchanged_since == 320162338);
    CHECK(store.flags == FlagList{flag::seen, {"$Processed"}});
    CHECK(get<Store>("STORE 1 FLAGS ()").flags == FlagList{});
    CHECK(refused("a STORE 1 FLAGS (\\Recent)") == "a");
    CHECK(refused("a STORE 1 FLAG (\\Seen)") == "a");
    CHECK(get<Copy>("COPY 2:4 MEETING").mailbox == "MEETING");
    CHECK(get<Copy>("UID MOVE 42:69 foo").move);
    CHECK_FALSE(get<Expunge>("EXPUNGE").uids);
    CHECK(get<Expunge>("UID EXPUNGE 3000:3002").uids == numbers({{3000, 3002}}));
    CHECK(refused("a EXPUNGE 1") == "a");
    CHECK(refused("a UID EXPUNGE") == "a");
}

TEST_CASE("SEARCH") {
    auto search = get<Search>("SEARCH FLAGGED SINCE 1-Feb-1994 NOT FROM \"Smith\"");  // RFC 9051 §6.4.4
    CHECK_FALSE(search.results.given);
    REQUIRE(search.key.kind == KeyKind::every);
    REQUIRE(search.key.children.size() == 3);
    CHECK(search.key.children[0].number == flag::flagged);
    CHECK(search.key.children[1].kind == KeyKind::since);
    CHECK(search.key.children[1].number == 8797);
    CHECK(search.key.children[2].kind == KeyKind::negated);
    CHECK(search.key.children[2].children[0].field == "from");
    search = get<Search>("SEARCH RETURN (MIN COUNT) FLAGGED");
    CHECK((search.results.min && search.results.count && !search.results.all));
    CHECK(get<Search>("SEARCH RETURN () ALL").results.all);
    CHECK(get<Search>("SEARCH RETURN (SAVE) ALL").results.save);
    CHECK(get<Search>("SEARCH RETURN (PARTIAL 23500:24000) ALL").results.partial ==
          std::pair<std::int64_t, std::int64_t>{23500, 24000});
    search = get<Search>("SEARCH CHARSET utf-8 OR TEXT {6}\r\n\u00e4\u00f6\u00fc (BODY x UID 5:* 1,3)");
    CHECK(search.charset == "UTF-8");
    REQUIRE(search.key.kind == KeyKind::either);
    CHECK(search.key.children[0].text == "\u00e4\u00f6\u00fc");
    CHECK(search.key.children[1].children[2].set == numbers({{1, 1}, {3, 3}}));
    CHECK(get<Search>("SEARCH HEADER Message-ID \"\"").key.field == "message-id");
    CHECK(get<Search>("SEARCH UNKEYWORD $x").key.children[0].text == "$x");
    CHECK(get<Search>("SEARCH MODSEQ \"/flags/\\\\draft\" all 620162338").key.number == 620162338);
    CHECK(get<Search>("SEARCH MODSEQ 620162338").key.number == 620162338);
    CHECK(get<Search>("SEARCH FUZZY SUBJECT hi").key.fuzzy);
    CHECK(get<Search>("SEARCH YOUNGER 259200").key.number == 259200);
    CHECK(get<Search>("SEARCH $ SMALLER 5").key.children[0].set.saved);
    for (const auto* bad :
         {"SEARCH", "SEARCH FOO", "SEARCH FROM", "SEARCH OR ALL", "SEARCH (ALL", "SEARCH SINCE 31-Feb-2026",
          "SEARCH ()", "SEARCH ALL ", "SEARCH RETURN (MIN ALL", "SEARCH RETURN (X) ALL", "SEARCH OLDER 0"}) {
        CAPTURE(bad);
        CHECK(refused("a "s + bad) == "a");
    }
    const auto deep = [](std::size_t n) {
        std::string text = "a SEARCH ";
        for (std::size_t i = 0; i < n; ++i) text += "NOT ";
        return text + "ALL";
    };
    CHECK(parse_command(deep(Limits::search_depth), {}));
    CHECK(refused(deep(Limits::search_depth + 1)) == "a");
    CHECK(refused("a SEARCH " + std::string(30000, '(')) == "a");
}

TEST_CASE("SORT and THREAD") {
    const auto sort = get<Sort>("UID SORT (REVERSE DATE SUBJECT) UTF-8 SINCE 1-Feb-1994");
    REQUIRE(sort.criteria.size() == 2);
    CHECK(sort.criteria[0].reverse);
    CHECK(sort.criteria[1].by == SortCriterion::By::subject);
    CHECK(get<Sort>("SORT RETURN (COUNT) (SIZE) US-ASCII ALL").results.count);
    CHECK(get<Thread>("THREAD references utf-8 ALL").algorithm == "REFERENCES");
    CHECK(refused("a SORT () UTF-8 ALL") == "a");
    CHECK(refused("a SORT (X) UTF-8 ALL") == "a");
}

TEST_CASE("quota, rights, metadata, notifications, compression") {
    CHECK(get<SetQuota>("SETQUOTA \"\" (STORAGE 512)").limits[0].second == 512);
    CHECK(get<GetQuota>("GETQUOTA \"!partition/sda4\"").root == "!partition/sda4");
    CHECK(get<GetQuotaRoot>("GETQUOTAROOT INBOX").mailbox == "INBOX");
    CHECK(get<SetAcl>("SETACL INBOX/Drafts David lrswida").rights == "lrswida");
    CHECK(get<DeleteAcl>("DELETEACL x -y").identifier == "-y");
    CHECK(get<ListRights>("LISTRIGHTS ~/Mail/saved smith").mailbox == "~/Mail/saved");
    CHECK(get<MyRights>("MYRIGHTS INBOX").mailbox == "INBOX");
    CHECK(get<GetAcl>("GETACL INBOX").mailbox == "INBOX");
    const auto metadata =
        get<GetMetadata>("GETMETADATA (MAXSIZE 1024 DEPTH infinity) \"INBOX\" (/shared/comment /private/comment)");
    CHECK(metadata.max_size == 1024);
    CHECK(metadata.depth == 2);
    CHECK(metadata.entries.size() == 2);
    CHECK(get<GetMetadata>("GETMETADATA \"\" /shared/comment").entries.size() == 1);
    const auto set = get<SetMetadata>("SETMETADATA INBOX (/private/comment {3}\r\nabc /shared/x NIL)");
    CHECK(set.entries[0].second == "abc");
    CHECK_FALSE(set.entries[1].second);
    const auto notify =  // RFC 5465 §5
        get<Notify>(
            "NOTIFY SET STATUS (selected (MessageNew (uid flags) MessageExpunge)) (subtree (Lists INBOX) NONE)");
    CHECK(notify.status);
    REQUIRE(notify.groups.size() == 2);
    CHECK(notify.groups[0].events == std::vector{"MESSAGENEW"s, "MESSAGEEXPUNGE"s});
    CHECK(notify.groups[0].fetch.size() == 2);
    CHECK(notify.groups[1].mailboxes.size() == 2);
    CHECK(notify.groups[1].events.empty());
    CHECK(get<Notify>("NOTIFY NONE").none);
    CHECK(refused("a NOTIFY SET (selected MessageNew)") == "a");
    get<Compress>("COMPRESS DEFLATE");
    CHECK(refused("a COMPRESS LZMA") == "a");
}
