// THREAD (RFC 5256 §3): messages in, trees out, by the algorithms REFERENCES and ORDEREDSUBJECT. Pure.
//
// add() for each message, numbers rising; then step() until it says no; then put() until it says no. Each call is short:
// the caller lets others run in between. About 100 octets a message.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

namespace posthorn::imap {

struct ThreadMessage {
    std::uint32_t number = 0;  // as it will be told
    std::int64_t sent = 0;     // RFC 5256 §2.2
    std::string subject;       // base subject, as compared (mail/mime/casemap.hpp)
    bool answer = false;       // it was of a reply or a forward
    std::string message_id;    // empty: none
    std::vector<std::string> references;
};

class Threader {
public:
    enum class Algorithm : std::uint8_t { references, ordered_subject };

    explicit Threader(Algorithm algorithm) : algorithm_(algorithm) {}
    void add(const ThreadMessage& message);
    bool step();  // a pass over all; false: it was the last one
    // Appends threads until `out` has `size` octets; false: that was all.
    bool put(std::string& out, std::size_t size);

private:
    using Index = std::uint32_t;
    static constexpr Index kNone = 0xFFFFFFFF;
    // Ancestors that are looked at for a loop; deeper, a link is not made.
    static constexpr std::size_t kMaxWalk = 1000;

    struct Node {
        std::uint32_t number = 0;  // 0: a dummy, of a message that is not here or of a subject
        std::int64_t sent = 0;
        std::uint64_t subject = 0;  // hash; 0: empty
        bool answer = false;
        Index parent = kNone;
        Index first = kNone;  // child, by sent date
        Index last = kNone;
        Index next = kNone;  // sibling
    };
    struct Word {  // of the answer
        enum class Kind : std::uint8_t { open, member, close };
        Kind kind = Kind::open;
        Index node = kNone;
    };

    bool dummy(Index i) const { return nodes_[i].number == 0; }
    Index add_dummy();
    Index find(const std::string& id);
    Index own_node(const std::string& id);
    bool would_loop(Index parent, Index child) const;
    void give(Index parent, Index child);
    std::vector<Index> roots() const;
    Index lead(Index root) const { return dummy(root) ? nodes_[root].first : root; }

    void order();            // steps 4 and 6: by sent date, then number
    void prune();            // step 3
    void gather_subjects();  // step 5
    void merge(Index& known, Index current);
    void by_subject();  // ORDEREDSUBJECT
    void children();

    Algorithm algorithm_;
    int stage_ = 0;
    std::vector<Node> nodes_;
    std::size_t messages_ = 0;
    std::unordered_map<std::uint64_t, Index> ids_;  // by the hash of a message id
    std::vector<Index> order_;                      // messages by sent date
    std::vector<Index> roots_;
    std::size_t at_ = 0;  // of roots_, in put()
    std::vector<Word> words_;
};

}  // namespace posthorn::imap
