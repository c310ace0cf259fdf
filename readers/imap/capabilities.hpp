// What the reader does beside the base protocol: each word stands for what works. APPENDLIMIT comes with its number.
#pragma once

#include <array>
#include <string_view>

namespace posthorn::imap {

inline constexpr std::string_view kCapabilities =
    "IDLE NAMESPACE CHILDREN UIDPLUS UNSELECT MOVE ESEARCH SEARCHRES PARTIAL WITHIN LIST-EXTENDED LIST-STATUS "
    "STATUS=SIZE SORT SORT=DISPLAY ESORT THREAD=ORDEREDSUBJECT THREAD=REFERENCES SPECIAL-USE "
    "CREATE-SPECIAL-USE CONDSTORE QRESYNC UTF8=ACCEPT BINARY PREVIEW OBJECTID MULTIAPPEND CATENATE REPLACE UIDONLY "
    "QUOTA QUOTA=RES-STORAGE QUOTA=RES-MESSAGE";

// What of it ENABLE turns on (RFC 5161), beside the revision.
inline constexpr std::array<std::string_view, 4> kEnabled{"CONDSTORE", "QRESYNC", "UTF8=ACCEPT", "UIDONLY"};

}  // namespace posthorn::imap
