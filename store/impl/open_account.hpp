// An account that is open: its index and its bodies. Used in the account's turn (store/impl/account.hpp), by one thread
// at a time.
#pragma once

#include <memory>
#include <string>

#include "store/impl/body_store.hpp"
#include "store/impl/index.hpp"
#include "store/impl/search_index.hpp"
#include "store/impl/shared.hpp"
#include "store/impl/staged.hpp"
#include "store/store.hpp"

namespace posthorn::store {

// Of the kind that the configuration names; makes its folders. `folder`: the account's, which is there.
base::Result<std::unique_ptr<BodyStore>> open_bodies(Shared& shared, const mail::AccountName& name);

class OpenAccount {
public:
    // Makes what is not there. `last`: the modseq it had when this process closed it, 0: never.
    static base::Result<std::unique_ptr<OpenAccount>> open(std::shared_ptr<Shared> shared,
                                                           const mail::AccountName& name, ModSeq last);

    Index& index() { return *index_; }
    BodyStore& bodies() { return *bodies_; }
    const std::string& folder() const { return folder_; }
    Shared& shared() { return *shared_; }

    // Before a transaction: so many ids may be given in it. `fresh`: none was given since it was opened.
    base::Result<void> reserve_ids(bool bulk, bool fresh);

    // Within a transaction.
    base::Result<Added> add(MailboxId mailbox, const NewMessage& message, const Staged* staged,
                            const base::Ulid& delivery);
    base::Result<std::shared_ptr<Body>> open_body(EmailId email);

    // ---- full text (open_search.cpp)
    // Null: there is none. `make`: where the configuration wants one for this account, it is made.
    SearchIndex* search(bool make);
    // As it is: damage is an error, EUCLEAN; ENOENT: there is none.
    base::Result<SearchIndex*> open_search(bool make);
    // It did not work: closed, and what is damaged is thrown away.
    void search_failed(const base::Error& error);
    void drop_search();

private:
    base::Result<void> reconcile();
    OpenAccount(std::shared_ptr<Shared> shared, std::string folder)
        : shared_(std::move(shared)), folder_(std::move(folder)) {}

    std::shared_ptr<Shared> shared_;
    std::string folder_;
    std::unique_ptr<Index> index_;
    std::unique_ptr<BodyStore> bodies_;
    std::unique_ptr<SearchIndex> search_;
};

}  // namespace posthorn::store
