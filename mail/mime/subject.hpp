// The base subject, by which mail is sorted and threaded: RFC 5256 §2.1.
#pragma once

#include <string>
#include <string_view>

namespace posthorn::mail {

struct BaseSubject {
    std::string text;     // UTF-8, spaces folded; not more than the first 2 KiB of a subject are looked at
    bool answer = false;  // there was a "Re:", "Fwd:", "(fwd)" …
};

BaseSubject base_subject(std::string_view subject_field);

}  // namespace posthorn::mail
