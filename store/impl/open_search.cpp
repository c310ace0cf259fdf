// An open account's full-text index: opened when it is first asked for, made again when it is damaged.
#include "base/log.hpp"
#include "store/impl/open_account.hpp"

namespace posthorn::store {

namespace {

std::string search_path(const std::string& folder) { return folder + "/search.sqlite"; }

}  // namespace

base::Result<SearchIndex*> OpenAccount::open_search(bool make) {
    if (search_) return search_.get();
    auto opened = SearchIndex::open(search_path(folder_), index_->counters().next_id, make);
    if (!opened) return std::unexpected(opened.error());
    search_ = *std::move(opened);
    return search_.get();
}

SearchIndex* OpenAccount::search(bool make) {
    if (shared_->config.search_index == Config::SearchIndex::never) return nullptr;
    auto opened = open_search(make);
    if (!opened && opened.error().code == EUCLEAN) {
        search_failed(opened.error());
        opened = open_search(true);
    }
    if (opened) return *opened;
    if (opened.error().code != ENOENT) search_failed(opened.error());
    return nullptr;
}

void OpenAccount::search_failed(const base::Error& error) {
    base::log::warning("store.search_index_failed",
                       {{"account", index_->account().text()}, {"error", error.log_text}});
    search_.reset();
    if (error.code == EUCLEAN) SearchIndex::remove_files(search_path(folder_));
}

void OpenAccount::drop_search() {
    search_.reset();
    SearchIndex::remove_files(search_path(folder_));
}

}  // namespace posthorn::store
