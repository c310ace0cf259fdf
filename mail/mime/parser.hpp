// A message's lines, boundaries and header fields (RFC 5322 §2, RFC 2046 §5.1) from octets that come in pieces of any
// size. It holds one header field and the beginning of one line, never a body; whatever comes, time is linear.
//
// Lines end with LF, a CR before it belongs to the end; a bare CR and NUL are octets like others. What is wrong with
// a message is no error: every octet belongs to some part. The line end before a boundary belongs to the boundary.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace posthorn::mail {

struct MimeLimits {
    std::size_t parts = 1000;
    std::size_t depth = 50;
    std::size_t field = 64 * 1024;  // octets of a header field; the rest is not shown
    // RFC 2046 §5.1.1 allows 70. What is longer is compared by its beginning.
    static constexpr std::size_t boundary = 200;
};

class MimeParser {
public:
    // What the sink makes of the newest part when its header is over.
    struct Nature {
        enum class Kind : std::uint8_t { leaf, multipart, message } kind = Kind::leaf;
        std::string boundary;  // of a multipart, not empty
    };

    // Called from feed() and finish(). Parts are numbered from 0 in the order they begin.
    class Sink {
    public:
        virtual ~Sink() = default;
        virtual void part_begins(std::uint32_t index, std::uint32_t parent, std::uint64_t offset) = 0;
        // Of the newest part. `value` is unfolded, without CR and NUL, trimmed.
        virtual void field(std::string_view name, std::string_view value) = 0;
        // Of the newest part; `may_nest` false: the limits allow no part in it, its nature is taken for a leaf's.
        virtual Nature header_ends(std::uint64_t body_offset, std::uint64_t header_lines, bool may_nest) = 0;
        virtual void body(std::string_view bytes) = 0;  // of the newest part, a leaf
        // `ended`: by its boundary, or with the whole message; false: the boundary was missing.
        virtual void part_ends(std::uint32_t index, std::uint64_t offset, std::uint64_t lines, bool ended) = 0;
    };

    static constexpr std::uint32_t kNoParent = 0xFFFFFFFF;

    // The sink outlives it.
    explicit MimeParser(Sink& sink, MimeLimits limits = {});

    void feed(std::string_view bytes);
    void finish();

    std::uint64_t size() const { return offset_; }
    std::uint64_t lines() const { return lines_; }
    bool cut() const { return cut_; }  // a limit on parts, depth or fields was met

private:
    enum class Mode : std::uint8_t { header, line_start, text, boundary_rest };
    struct Open {
        std::uint32_t index = 0;
        Nature::Kind kind = Nature::Kind::leaf;
        std::string boundary;          // empty: none, or the last one has passed
        std::uint64_t body_lines = 0;  // lines_ where its body began
    };
    struct Match {
        std::size_t level = 0;
        bool last = false;
    };

    std::string_view feed_header(std::string_view bytes);
    std::string_view feed_line_start(std::string_view bytes);
    std::string_view feed_text(std::string_view bytes);
    std::string_view feed_boundary_rest(std::string_view bytes);

    void header_line(std::uint64_t line_ends);
    void header_cut_short(Match match, std::uint64_t line_ends);
    void flush_field();
    void end_header();
    void begin_part(std::uint32_t parent);
    void to_body();
    bool decide_line();
    void after_boundary();
    void at_boundary(Match match, std::uint64_t line_begins, std::uint64_t lines_before);
    void close_down_to(std::size_t level, std::uint64_t end, std::uint64_t lines, bool ended);
    bool matches(std::string_view line, Match& match) const;
    void emit(std::string_view bytes);
    bool bounded() const { return boundaries_ != 0; }

    Sink& sink_;
    MimeLimits limits_;
    Mode mode_ = Mode::header;
    std::vector<Open> open_;      // the newest part and what it is in
    std::size_t boundaries_ = 0;  // of open_ that have one
    std::uint32_t parts_ = 0;
    bool cut_ = false;

    std::uint64_t offset_ = 0;  // octets seen
    std::uint64_t lines_ = 0;   // LFs seen

    std::string line_;   // header: the line at hand
    std::string field_;  // header: the field at hand, unfolded
    bool long_line_ = false;
    std::uint64_t line_begin_ = 0;  // offset of the line at hand
    std::uint64_t header_lines_ = 0;

    std::string pending_;  // text: the line end (or a CR) that may belong to a boundary
    std::string start_;    // the beginning of a line that may be a boundary
    Match match_;          // boundary_rest
};

}  // namespace posthorn::mail
