// One IMAP connection: the coroutine that performs what the session machine (proto/imap/server_session.hpp) asks for, on
// the loop the connection lives on. The machine decides about the protocol, the store about mail; this stands between.
//
// Memory: the machine's input (32 KiB at most) and output (a piece of 64 KiB and what a message's items need), the runs of
// UIDs of the selected mailbox, two batches of summaries while FETCH and SEARCH go on, and of bodies in FETCH (64 KiB each).
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "mail/summary.hpp"
#include "net/begun.hpp"
#include "proto/imap/mailbox_view.hpp"
#include "proto/imap/section.hpp"
#include "proto/imap/server_session.hpp"
#include "proto/imap/url.hpp"
#include "readers/imap/worker.hpp"

namespace posthorn::imap {

// The mailbox a session has selected.
struct Selected {
    store::MailboxId id = 0;
    std::string name;
    bool read_only = false;
    store::UidValidity uid_validity = 0;
    store::ModSeq modseq = 0;  // up to which we know what happened
    MailboxView view;
    store::Keywords keywords;  // as the client knows them
    // Messages whose flags, as of that change of ours, the client has been told.
    std::map<store::ModSeq, NumberSet> own;
    NumberSet saved;  // "$", as UIDs (RFC 5182)

    store::UidScope scope() const { return {id, uid_validity}; }
};

class Session final : public readers::Session<Protocol> {
public:
    Session(Worker& worker, std::shared_ptr<const Settings> settings, std::unique_ptr<net::Stream> stream);

private:
    // session.cpp: the connection
    net::Task<> perform(ServerAction action) override;
    void report() const override;
    void gone() override;
    base::Duration timeout(ServerTimeout which) const;
    // True: the client is gone, or the server goes at once, so the command breaks off. What it has said is not whole
    // and is dropped, its reply, too.
    bool cut_short();
    // Sends what has gathered in out(), when it is more than a piece. False: cut_short().
    net::Task<bool> flush();

    // commands.cpp: which function runs which command
    net::Task<> run_command();
    net::Task<Reply> dispatch();
    Reply failed(std::string_view what, const base::Error& error);
    store::Store& mail() { return *worker_.shared.store; }
    std::string& out() { return machine_.out(); }
    bool utf8() const { return machine_.enabled().utf8(); }
    bool uid_command() const { return machine_.command().uid; }
    std::optional<store::Quota> quota() const;

    // sync.cpp: what others did to the selected mailbox
    net::Task<> sync(bool may_expunge);
    void tell(const store::MailboxChanges& changes, bool may_expunge, std::string& into);
    void begin_fetch(std::string& into, std::uint32_t number, store::Uid uid) const;
    void put_fetch_flags(std::string& into, const store::Entry& entry, bool with_uid);
    void put_keywords(std::string& into);
    void note_keywords(const store::Keywords& keywords);
    void note_own(const store::FlagsChanged& done);
    void watch();
    void on_notice();
    void begin_telling();
    static net::Task<> tell_idler(std::shared_ptr<Session> self);

    // mailboxes.cpp, list.cpp
    net::Task<Reply> select();
    net::Task<> resynchronise(const Qresync& qresync, const store::Snapshot& snapshot);
    net::Task<Reply> close_mailbox(bool expunge);
    net::Task<Reply> create();
    net::Task<Reply> remove();
    net::Task<Reply> rename();
    net::Task<Reply> subscribe();
    net::Task<Reply> status();
    net::Task<Reply> list();
    net::Task<Reply> get_quota(bool root);
    void put_status(const std::string& name, const store::Mailbox& mailbox, const std::vector<StatusItem>& items);

    // fetch.cpp, body.cpp
    struct Plan;
    net::Task<Reply> fetch();
    using Coming = net::Begun<std::vector<store::Message>>;
    std::optional<Coming> begin_batch(const Plan& plan, const NumberSet& uids);
    net::Task<bool> fetch_batch(const Plan& plan, base::Result<std::vector<store::Message>> messages,
                                std::uint64_t wanted);
    struct Opening {
        std::size_t count;
        net::Begun<store::Store::Opened> bodies;
    };
    std::optional<Opening> open_next(const std::vector<store::Message>& messages, std::size_t from);
    static net::Task<store::Store::Opened> opened(Opening opening);
    net::Task<bool> put_message(const Plan& plan, const store::Message& message, bool seen,
                                std::shared_ptr<store::Body> body);
    void put_value(const FetchItem& item, const store::Message& message, const mail::Summary* summary);
    net::Task<bool> put_section(const FetchItem& item, const store::Message& message, const mail::Summary* summary,
                                std::shared_ptr<store::Body> body);
    net::Task<bool> put_binary(const FetchItem& item, const mail::Summary* summary,
                               std::shared_ptr<store::Body> body);
    net::Task<bool> stream_out(std::shared_ptr<store::Body> body, std::uint64_t begin, std::uint64_t end);
    net::Task<base::Result<mail::Summary>> summary_of(const store::Message& message);

    // change.cpp: STORE, COPY, MOVE, EXPUNGE
    net::Task<Reply> store_flags();
    net::Task<Reply> copy();
    net::Task<Reply> expunge();

    // append.cpp
    struct Appending;
    net::Task<> append(ServerAction action);
    net::Task<> append_piece(std::string bytes);
    net::Task<std::optional<Reply>> append_event(const AppendEvent& event, std::uint64_t size);
    net::Task<std::optional<Reply>> append_open(const AppendEvent& event);
    net::Task<std::optional<Reply>> append_room(std::uint64_t size);
    net::Task<std::optional<Reply>> append_bytes(std::string bytes);
    net::Task<std::optional<Reply>> append_url(std::string text);
    net::Task<std::optional<Reply>> append_extent(std::shared_ptr<store::Body> body, Extent where,
                                                  const MessageUrl& url);
    std::optional<Reply> append_ended();
    net::Task<Reply> append_commit();

    // search.cpp, search_find.cpp
    net::Task<Reply> search();
    struct Found {
        NumberSet uids;
        store::ModSeq modseq = 0;  // the highest of them, where the program asked for one
    };
    net::Task<std::expected<Found, Reply>> find(SearchKey key, std::string charset);
    struct Hunt;
    net::Task<bool> hunt_batch(Hunt& hunt, NumberSet uids);
    NumberSet judge(Hunt& hunt, const NumberSet& uids, const std::vector<store::Message>& entries);
    net::Task<bool> ask_texts(Hunt& hunt, const NumberSet& uids);
    net::Task<bool> judge_summaries(Hunt& hunt, NumberSet uids);

    // sort.cpp
    net::Task<Reply> sort();
    net::Task<Reply> thread();
    template <class Take, class Batched>
    net::Task<bool> each_found(NumberSet uids, bool summaries, Take& take, Batched& batched);

    // UIDs of the selected mailbox that a command names; an error when it names a message number that is not there.
    std::expected<NumberSet, Reply> named(const SequenceSet& set, bool uid) const;

    bool lost_ = false;  // a command broke off, or a write in it failed
    std::optional<Selected> selected_;
    std::unique_ptr<store::Subscription> subscription_;
    bool news_ = false;  // something happened in the account since the last sync()
    net::Event told_;    // tell_idler() has ended; while it is at work, writing_beside_
    std::unique_ptr<Appending, void (*)(Appending*)> appending_;
    std::size_t commands_ = 0;
};

// Of a header of which fields are asked for, no more than this is looked at.
inline constexpr std::uint64_t kMaxHeader = 256 * 1024;
net::Task<base::Result<std::string>> read_range(net::Loop& loop, std::shared_ptr<store::Body> body,
                                                std::uint64_t begin, std::uint64_t end);

// Of the wire's sets and the store's.
store::UidSet to_store(const NumberSet& set);
NumberSet from_store(const store::UidSet& set);
// The next UIDs of `set` from `at` on, at most `count` of them; empty at the end.
NumberSet next_batch(const NumberSet& set, std::uint32_t& at, std::size_t count);

}  // namespace posthorn::imap
