// The tables of an account's index.sqlite: docs/store.md explains them.
#pragma once

namespace posthorn::store {

inline constexpr int kSchemaVersion = 1;           // PRAGMA user_version
inline constexpr int kApplicationId = 0x50687374;  // "Phst"

inline constexpr const char* kSchema = R"sql(
CREATE TABLE account(
    id INTEGER PRIMARY KEY CHECK(id = 1), name TEXT NOT NULL, modseq INTEGER NOT NULL, reserved INTEGER NOT NULL,
    trimmed INTEGER NOT NULL, next_id INTEGER NOT NULL, uid_validity INTEGER NOT NULL,
    reserved_validity INTEGER NOT NULL, clean INTEGER NOT NULL, bytes INTEGER NOT NULL, messages INTEGER NOT NULL,
    grave_bytes INTEGER NOT NULL, grave_messages INTEGER NOT NULL);
CREATE TABLE mailbox(
    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, role INTEGER NOT NULL, sort_order INTEGER NOT NULL,
    uid_validity INTEGER NOT NULL, uid_next INTEGER NOT NULL, modseq INTEGER NOT NULL, messages INTEGER NOT NULL,
    unseen INTEGER NOT NULL, deleted INTEGER NOT NULL, bytes INTEGER NOT NULL);
CREATE TABLE subscription(name TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE keyword(n INTEGER PRIMARY KEY, name TEXT NOT NULL);
CREATE TABLE email(
    id INTEGER PRIMARY KEY, pack INTEGER NOT NULL, offset INTEGER NOT NULL, size INTEGER NOT NULL,
    crc INTEGER NOT NULL, received INTEGER NOT NULL, thread INTEGER NOT NULL, refs INTEGER NOT NULL);
CREATE INDEX email_thread ON email(thread);
CREATE TABLE summary(email INTEGER PRIMARY KEY, blob BLOB NOT NULL);
CREATE TABLE membership(
    mailbox INTEGER NOT NULL, uid INTEGER NOT NULL, email INTEGER NOT NULL, modseq INTEGER NOT NULL,
    flags INTEGER NOT NULL, size INTEGER NOT NULL, PRIMARY KEY(mailbox, uid)) WITHOUT ROWID;
CREATE INDEX membership_email ON membership(email);
CREATE TABLE grave(
    email INTEGER PRIMARY KEY, at INTEGER NOT NULL, mailbox INTEGER NOT NULL, name TEXT NOT NULL,
    flags INTEGER NOT NULL);
CREATE INDEX grave_at ON grave(at);
CREATE TABLE thread_key(key INTEGER PRIMARY KEY, thread INTEGER NOT NULL);
CREATE INDEX thread_key_thread ON thread_key(thread);
CREATE TABLE delivery(id BLOB PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE change(
    modseq INTEGER NOT NULL, n INTEGER NOT NULL, at INTEGER NOT NULL, kind INTEGER NOT NULL,
    mailbox INTEGER NOT NULL, uids BLOB, created BLOB, updated BLOB, destroyed BLOB, threads BLOB,
    PRIMARY KEY(modseq, n)) WITHOUT ROWID;
)sql";

}  // namespace posthorn::store
