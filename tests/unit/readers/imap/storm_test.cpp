// Ten sessions do what they like to three mailboxes, by dice; deliveries come in between. After every step the store is
// what a model says it is; a client that reckons by what it is told has the same; one that comes back with QRESYNC has
// what a full fetch shows. A run that fails prints its seed: IMAP_STORM=SEED repeats it alone.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <random>
#include <set>

#include "base/log.hpp"
#include "fixture.hpp"

using namespace posthorn;
using namespace posthorn::testing;

namespace {

using FlagNames = std::set<std::string>;
const std::vector<std::string> kBoxes{"INBOX", "A", "B"};
const std::vector<std::string> kFlags{"\\Seen", "\\Answered", "\\Flagged", "\\Deleted", "\\Draft", "$One", "$Two"};

struct Mail {
    std::string text;
    FlagNames flags;
    bool operator==(const Mail&) const = default;
};
struct Box {
    std::uint32_t next = 1;
    std::map<std::uint32_t, Mail> mails;

    std::uint32_t add(Mail mail) {
        mails.emplace(next, std::move(mail));
        return next++;
    }
};

// What is behind `name` up to one of `ends`; empty where it is not there.
std::string behind(const std::string& text, const std::string& name, const char* ends) {
    const auto at = text.find(name);
    if (at == std::string::npos) return {};
    const auto from = at + name.size();
    return text.substr(from, text.find_first_of(ends, from) - from);
}

FlagNames words(const std::string& text) {
    FlagNames out;
    for (std::size_t at = 0; at < text.size();) {
        const auto end = std::min(text.find(' ', at), text.size());
        if (end > at) out.insert(text.substr(at, end - at));
        at = end + 1;
    }
    return out;
}

// A client that knows of its mailbox what it was told, no more.
struct Client {
    struct Known {
        std::uint32_t uid = 0;  // 0: not told yet
        FlagNames flags;
        bool flags_told = false;
    };
    std::unique_ptr<LineClient> line;
    std::string box;
    bool qresync = false;
    std::vector<Known> view;  // by message number
    std::string uid_validity;
    std::string modseq;
    int tags = 0;

    void hear(const std::string& answer) {
        for (std::size_t at = 0; at < answer.size();) {
            const auto end = answer.find("\r\n", at);
            REQUIRE(end != std::string::npos);
            untagged(answer.substr(at, end - at));
            at = end + 2;
        }
    }
    void untagged(const std::string& line_text) {
        if (!line_text.starts_with("* ")) return;
        if (line_text.starts_with("* VANISHED ")) return vanished(line_text.substr(line_text.rfind(' ') + 1));
        if (line_text.starts_with("* OK [UIDVALIDITY ")) uid_validity = behind(line_text, "UIDVALIDITY ", "]");
        const auto number = std::strtoul(line_text.c_str() + 2, nullptr, 10);
        if (number == 0) return;
        const auto what = line_text.substr(line_text.find(' ', 2) + 1);
        if (what == "EXISTS") {
            REQUIRE(number >= view.size());
            view.resize(number);
        } else if (what == "EXPUNGE") {
            REQUIRE(number <= view.size());
            view.erase(view.begin() + static_cast<std::ptrdiff_t>(number - 1));
        } else if (what.starts_with("FETCH ")) {
            REQUIRE(number <= view.size());
            auto& known = view[number - 1];
            if (const auto uid = behind(what, "UID ", " )"); !uid.empty()) {
                const auto told = static_cast<std::uint32_t>(std::stoul(uid));
                REQUIRE((known.uid == 0 || known.uid == told));
                known.uid = told;
            }
            if (what.find("FLAGS (") == std::string::npos) return;
            known.flags = words(behind(what, "FLAGS (", ")"));
            known.flags_told = true;
        }
    }
    void vanished(const std::string& set) {
        const auto uids = store::UidSet::parse(set);
        REQUIRE(uids);
        // RFC 7162 §3.2.10: each is one message less, also where its UID has not been told.
        uids->for_each([this](std::uint64_t uid) {
            auto at = std::ranges::find(view, uid, &Known::uid);
            if (at == view.end()) {  // it stands before the first one known to be behind it
                at = std::ranges::find_if(view, [uid](const Known& known) { return known.uid > uid; });
                REQUIRE(at != view.begin());
                REQUIRE((--at)->uid == 0);
            }
            view.erase(at);
        });
    }
    std::map<std::uint32_t, FlagNames> known() const {
        std::map<std::uint32_t, FlagNames> out;
        for (const auto& one : view) out.emplace(one.uid, one.flags);
        return out;
    }
};

class Storm {
public:
    explicit Storm(std::uint32_t seed) : dice_(seed) {
        f_.listener.limits.max_connections_per_client = 1000;
        for (std::size_t i = 1; i < kBoxes.size(); ++i) {
            auto client = f_.in();
            f_.say(*client, "c CREATE " + kBoxes[i] + "\r\n");
        }
        for (int i = 0; i < 10; ++i) {
            clients_.emplace_back();
            come(clients_.back());
        }
    }

    void step() {
        auto& client = clients_[roll(clients_.size())];
        switch (roll(12)) {
            case 0: deliver(); break;
            case 1: append(client); break;
            case 2:
            case 3:
            case 4: store_flags(client); break;
            case 5: copy(client, false); break;
            case 6: copy(client, true); break;
            case 7: expunge(client); break;
            case 8: uid_expunge(client); break;
            case 9: read(client); break;
            case 10: leave_and_return(client); break;
            default: say(client, "NOOP"); break;
        }
        check_store();
        check_numbers(client);
        settle(client);
    }
    void settle_all() {
        for (auto& client : clients_) settle(client);
    }

private:
    std::size_t roll(std::size_t n) { return dice_() % n; }
    Box& box_of(const Client& client) { return model_[client.box]; }

    std::string say(Client& client, const std::string& command) {
        const auto tag = "t" + std::to_string(++client.tags);
        last_ = command;
        const auto answer = f_.say(*client.line, tag + ' ' + command + "\r\n");
        CAPTURE(command);
        CAPTURE(answer);
        REQUIRE(answer.find(tag + " OK") != std::string::npos);
        client.hear(answer);
        return answer;
    }

    void come(Client& client) {
        client.box = kBoxes[roll(kBoxes.size())];
        client.qresync = roll(2) == 0;
        client.line = f_.in();
        if (client.qresync) say(client, "ENABLE QRESYNC");
        client.view.clear();
        say(client, "SELECT " + client.box);
        say(client, "UID FETCH 1:* (FLAGS)");
    }

    // A set of messages the client knows, as UIDs; empty where it knows none.
    std::string some(const Client& client, std::vector<std::uint32_t>& uids) {
        std::string out;
        for (const auto& known : client.view) {
            if (known.uid == 0 || roll(3) != 0) continue;
            uids.push_back(known.uid);
            out += (out.empty() ? "" : ",") + std::to_string(known.uid);
        }
        return out;
    }

    static std::string text(int n) { return "Subject: " + std::to_string(n) + "\r\n\r\nbody\r\n"; }

    void deliver() {
        const auto& name = kBoxes[roll(kBoxes.size())];
        last_ = "delivery to " + name;
        const auto mail = text(++made_);
        f_.put(mail, name);
        model_[name].add({mail, {}});
    }
    void append(Client& client) {
        const auto& name = kBoxes[roll(kBoxes.size())];
        std::string command = "APPEND " + name;
        std::vector<std::uint32_t> uids;
        for (auto count = 1 + roll(3); count > 0; --count) {
            const auto mail = text(++made_);
            const auto& flag = kFlags[roll(kFlags.size())];
            command += " (" + flag + ") {" + std::to_string(mail.size()) + "+}\r\n" + mail;
            uids.push_back(model_[name].add({mail, {flag}}));
        }
        const auto answer = say(client, command);
        const auto told = store::UidSet::parse(behind(behind(answer, "APPENDUID ", "]"), " ", "]"));
        REQUIRE(told);
        CHECK(told->count() == uids.size());
        for (const auto uid : uids) CHECK(told->contains(uid));
    }
    void store_flags(Client& client) {
        std::vector<std::uint32_t> uids;
        const auto set = some(client, uids);
        if (set.empty()) return;
        FlagNames flags;
        std::string list;
        for (auto count = roll(3) + 1; count > 0; --count) flags.insert(kFlags[roll(kFlags.size())]);
        for (const auto& flag : flags) list += (list.empty() ? "" : " ") + flag;
        const auto how = roll(3);
        const bool quiet = roll(2) == 0;
        const char* sign = how == 0 ? "+" : how == 1 ? "-" : "";
        say(client, "UID STORE " + set + ' ' + sign + "FLAGS" + (quiet ? ".SILENT" : "") + " (" + list + ")");
        for (const auto uid : uids) {
            const auto mail = box_of(client).mails.find(uid);
            if (mail == box_of(client).mails.end()) continue;
            change(mail->second.flags, how, flags);
            if (!quiet) continue;
            // Of what it changes in silence a client knows only what it knew, and the change (RFC 9051 §6.4.6).
            change(std::ranges::find(client.view, uid, &Client::Known::uid)->flags, how, flags);
        }
    }
    static void change(FlagNames& now, std::size_t how, const FlagNames& flags) {
        if (how == 2) now.clear();
        for (const auto& flag : flags) {
            if (how == 1) {
                now.erase(flag);
            } else {
                now.insert(flag);
            }
        }
    }
    void copy(Client& client, bool move) {
        std::vector<std::uint32_t> uids;
        const auto set = some(client, uids);
        auto& from = box_of(client);
        std::erase_if(uids, [&from](auto uid) { return !from.mails.contains(uid); });
        if (uids.empty()) return;
        const auto& name = kBoxes[roll(kBoxes.size())];
        std::string expected;
        std::vector<Mail> mails;
        for (const auto uid : uids) mails.push_back(from.mails.at(uid));
        if (move) {
            for (const auto uid : uids) from.mails.erase(uid);
        }
        std::set<std::uint32_t> made;
        for (auto& mail : mails) made.insert(model_[name].add(std::move(mail)));
        const auto answer = say(client, std::string("UID ") + (move ? "MOVE " : "COPY ") + set + ' ' + name);
        const auto code = behind(answer, "COPYUID ", "]");
        const auto told = store::UidSet::parse(code.substr(code.rfind(' ') + 1));
        REQUIRE(told);
        CHECK(told->count() == made.size());
        for (const auto uid : made) CHECK(told->contains(uid));
    }
    void expunge(Client& client) {
        std::erase_if(box_of(client).mails, [](const auto& one) { return one.second.flags.contains("\\Deleted"); });
        say(client, "EXPUNGE");
    }
    void uid_expunge(Client& client) {
        std::vector<std::uint32_t> uids;
        const auto set = some(client, uids);
        if (set.empty()) return;
        auto& mails = box_of(client).mails;
        for (const auto uid : uids) {
            const auto mail = mails.find(uid);
            if (mail != mails.end() && mail->second.flags.contains("\\Deleted")) mails.erase(mail);
        }
        say(client, "UID EXPUNGE " + set);
    }
    // By message number: it is the very message, and \Seen then.
    void read(Client& client) {
        if (client.view.empty()) return;
        const auto at = roll(client.view.size());
        const auto uid = client.view[at].uid;
        const auto mail = box_of(client).mails.find(uid);
        if (uid == 0) return;
        const auto answer = f_.say(*client.line, "r FETCH " + std::to_string(at + 1) + " BODY[]\r\n");
        CAPTURE(answer);
        if (mail == box_of(client).mails.end()) {
            CHECK(answer.find("BODY[]") == std::string::npos);
            CHECK(answer.find("r OK [EXPUNGEISSUED]") != std::string::npos);
        } else {
            CHECK(answer.find("}\r\n" + mail->second.text) != std::string::npos);
            mail->second.flags.insert("\\Seen");
        }
        client.hear(answer);
    }

    // RFC 7162 §3.2.5: away, and back with what it knew; others went on meanwhile.
    void leave_and_return(Client& client) {
        if (!client.qresync) return come(client);
        say(client, "NOOP");
        say(client, "UID FETCH 1:* (FLAGS)");
        const auto before = client.known();
        const auto modseq = behind(say(client, "STATUS " + client.box + " (HIGHESTMODSEQ)"), "HIGHESTMODSEQ ", ")");
        say(client, "UNSELECT");
        const auto away = &client;
        for (auto steps = roll(6); steps > 0; --steps) {
            auto& other = clients_[roll(clients_.size())];
            if (&other == away) continue;
            roll(2) == 0 ? store_flags(other) : expunge(other);
            if (roll(2) == 0) deliver();
        }
        std::string known;
        if (roll(2) == 0) {
            for (const auto& [uid, flags] : before) known += (known.empty() ? " " : ",") + std::to_string(uid);
        }
        client.line = f_.in();
        client.view.clear();
        say(client, "ENABLE QRESYNC");
        const auto tag = "q" + std::to_string(++client.tags);
        const auto answer = f_.say(*client.line, tag + " SELECT " + client.box + " (QRESYNC (" +
                                                     client.uid_validity + ' ' + modseq + known + "))\r\n");
        CAPTURE(answer);
        REQUIRE(answer.find(tag + " OK") != std::string::npos);
        // What it knew, less what vanished, plus what it is told.
        auto now = before;
        for (std::size_t at = 0; at < answer.size();) {
            const auto end = answer.find("\r\n", at);
            const auto line = answer.substr(at, end - at);
            at = end + 2;
            if (line.starts_with("* VANISHED (EARLIER) ")) {
                const auto gone = store::UidSet::parse(line.substr(line.rfind(' ') + 1));
                REQUIRE(gone);
                std::erase_if(now, [&gone](const auto& one) { return gone->contains(one.first); });
            } else if (line.find(" FETCH (") != std::string::npos) {
                now[static_cast<std::uint32_t>(std::stoul(behind(line, "UID ", " )")))] =
                    words(behind(line, "FLAGS (", ")"));
            }
        }
        std::map<std::uint32_t, FlagNames> expected;
        for (const auto& [uid, mail] : box_of(client).mails) {
            // A list of known UIDs asks about these alone (RFC 7162 §3.2.5.1).
            if (known.empty() || before.contains(uid)) expected.emplace(uid, mail.flags);
        }
        CHECK(now == expected);
        client.view.resize(box_of(client).mails.size());
        say(client, "UID FETCH 1:* (FLAGS)");
    }

    static net::Task<> look(ImapFixture& f, std::string name, std::map<std::uint32_t, FlagNames>& out,
                            std::uint32_t& next) {
        auto& loop = f.loops.at(0);
        const auto box = co_await f.store.mailbox(loop, f.ann, name);
        if (!box) throw std::logic_error("no such mailbox");
        const auto snapshot = co_await f.store.snapshot(loop, f.ann, box->id);
        if (!snapshot) throw std::logic_error("no snapshot");
        next = snapshot->mailbox.uid_next;
        for (const auto& entry : snapshot->entries) {
            auto& flags = out[entry.uid];
            for (const auto& [name_of, bit] : imap::kSystemFlags) {
                if ((entry.flags & bit) != 0) flags.insert(std::string(name_of));
            }
            for (unsigned i = 0; i < snapshot->keywords.size(); ++i) {
                if ((entry.flags & store::flag::keyword(i)) != 0) flags.insert(snapshot->keywords[i]);
            }
        }
    }
    void check_store() {
        for (const auto& name : kBoxes) {
            CAPTURE(name);
            CAPTURE(last_);
            std::map<std::uint32_t, FlagNames> there;
            std::uint32_t next = 0;
            REQUIRE(f_.loops.run(look(f_, name, there, next)));
            std::map<std::uint32_t, FlagNames> expected;
            std::vector<std::string> texts;
            for (const auto& [uid, mail] : model_[name].mails) {
                expected.emplace(uid, mail.flags);
                texts.push_back(mail.text);
            }
            REQUIRE(there == expected);
            REQUIRE(next == model_[name].next);
            REQUIRE(f_.store.content(f_.ann, name) == texts);
        }
    }
    // Message numbers are what this client was told, also of what is gone (RFC 9051 §7.5.1).
    void check_numbers(Client& client) {
        CAPTURE(last_);
        if (client.view.empty()) return;
        const auto before = client.view.size();
        const auto answer = f_.say(*client.line, "n FETCH 1:" + std::to_string(before) + " (UID FLAGS)\r\n");
        CAPTURE(answer);
        REQUIRE(answer.find("n OK") != std::string::npos);
        client.hear(answer);
        CHECK(client.view.size() >= before);
        for (std::size_t i = 0; i < before; ++i) {
            const auto& known = client.view[i];
            const auto mail = box_of(client).mails.find(known.uid);
            const bool told = answer.find("* " + std::to_string(i + 1) + " FETCH (UID ") != std::string::npos;
            if (known.uid != 0) CHECK(told == (mail != box_of(client).mails.end()));
            if (told) CHECK(known.flags == mail->second.flags);
        }
    }
    // What it was told adds up to what there is.
    void settle(Client& client) {
        say(client, "NOOP");
        CAPTURE(last_);
        std::size_t at = 0;
        REQUIRE(client.view.size() == box_of(client).mails.size());
        for (const auto& [uid, mail] : box_of(client).mails) {
            const auto& known = client.view[at++];
            if (known.uid != 0) CHECK(known.uid == uid);
            if (known.flags_told) CHECK(known.flags == mail.flags);
        }
    }

    ImapFixture f_;
    std::mt19937 dice_;
    std::map<std::string, Box> model_;
    std::vector<Client> clients_;
    int made_ = 0;
    std::string last_;
};

}  // namespace

TEST_CASE("a storm of ten sessions leaves what a model says") {
    const base::log::Capture quiet;
    std::vector<std::uint32_t> seeds{1, 2, 3, 4, 5, 6};
    if (const char* one = std::getenv("IMAP_STORM")) seeds = {static_cast<std::uint32_t>(std::atoi(one))};
    for (const auto seed : seeds) {
        INFO("seed " << seed << " (IMAP_STORM=" << seed << " repeats it)");
        Storm storm(seed);
        for (int i = 0; i < 300; ++i) {
            storm.step();
            if (i % 25 == 24) storm.settle_all();
        }
    }
}
