#include "tests/support/fault_disk.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace posthorn::test {
namespace {

std::string directory_of(const std::string& path) { return path.substr(0, path.rfind('/')); }

}  // namespace

class FaultFile final : public base::File {
public:
    FaultFile(FaultDisk& disk, std::shared_ptr<FaultDisk::Node> node, std::string path)
        : disk_(disk), node_(std::move(node)), path_(std::move(path)), epoch_(disk.epoch_) {}

    base::Result<std::size_t> read(std::uint64_t offset, std::span<char> into) const override {
        const std::lock_guard lock(disk_.mutex_);
        if (auto error = check(DiskOp::read)) return std::unexpected(*error);
        if (offset >= node_->now.size()) return 0;
        const auto n = std::min<std::uint64_t>(into.size(), node_->now.size() - offset);
        std::memcpy(into.data(), node_->now.data() + offset, n);
        return static_cast<std::size_t>(n);
    }

    base::Result<void> write(std::uint64_t offset, std::span<const std::string_view> pieces) override {
        const std::lock_guard lock(disk_.mutex_);
        std::string bytes;
        for (const auto piece : pieces) bytes += piece;
        if (auto error = check(DiskOp::write)) {
            // Part of it may have gone through.
            if (epoch_ == disk_.epoch_ && !disk_.dead())
                put(offset, bytes.substr(0, disk_.random_.below(bytes.size() + 1)));
            return std::unexpected(*error);
        }
        put(offset, bytes);
        return {};
    }

    base::Result<void> sync() override {
        const std::lock_guard lock(disk_.mutex_);
        if (auto error = check(DiskOp::sync)) {
            if (epoch_ == disk_.epoch_ && !disk_.dead()) forget();
            return std::unexpected(*error);
        }
        node_->durable = node_->now;
        node_->dirty.clear();
        return {};
    }

    base::Result<std::uint64_t> size() const override {
        const std::lock_guard lock(disk_.mutex_);
        return node_->now.size();
    }

    base::Result<base::FileStatus> status() const override {
        const std::lock_guard lock(disk_.mutex_);
        return disk_.status_of(*node_);
    }

    base::Result<void> truncate(std::uint64_t size) override {
        const std::lock_guard lock(disk_.mutex_);
        if (auto error = check(DiskOp::truncate)) return std::unexpected(*error);
        const auto from = std::min<std::uint64_t>(size, node_->now.size()) / FaultDisk::kPage;
        const auto to = std::max<std::uint64_t>(size, node_->now.size()) / FaultDisk::kPage;
        for (auto page = from; page <= to; ++page) node_->dirty.insert(page);
        node_->now.resize(size, '\0');
        return {};
    }

    base::Result<void> reserve(std::uint64_t) override {
        const std::lock_guard lock(disk_.mutex_);
        if (auto error = check(DiskOp::reserve)) return std::unexpected(*error);
        return {};
    }

private:
    std::optional<base::Error> check(DiskOp op) const {
        if (epoch_ != disk_.epoch_) return base::from_errno("dead file " + path_, EIO);
        return disk_.check(op, path_);
    }
    void put(std::uint64_t offset, std::string_view bytes) {
        if (bytes.empty()) return;
        if (node_->now.size() < offset + bytes.size()) node_->now.resize(offset + bytes.size(), '\0');
        std::memcpy(node_->now.data() + offset, bytes.data(), bytes.size());
        for (auto page = offset / FaultDisk::kPage; page <= (offset + bytes.size() - 1) / FaultDisk::kPage; ++page)
            node_->dirty.insert(page);
    }
    // A failed fsync: the kernel calls the pages clean; some went to the disk, none will any more. A read still sees
    // them, until the cache is gone.
    void forget() {
        for (const auto page : node_->dirty) {
            if (disk_.random_.below(2) == 0) continue;
            const auto at = page * FaultDisk::kPage;
            if (at >= node_->now.size()) continue;
            const auto n = std::min<std::size_t>(FaultDisk::kPage, node_->now.size() - at);
            if (node_->durable.size() < at + n) node_->durable.resize(at + n, '\0');
            std::memcpy(node_->durable.data() + at, node_->now.data() + at, n);
        }
        node_->dirty.clear();
    }

    FaultDisk& disk_;
    std::shared_ptr<FaultDisk::Node> node_;
    std::string path_;
    std::uint64_t epoch_;
};

void FaultDisk::fail_at(std::size_t nth, int code, std::size_t count) {
    const std::lock_guard lock(mutex_);
    fail_from_ = operations_ + nth;
    fail_until_ = count > SIZE_MAX - fail_from_ ? SIZE_MAX : fail_from_ + count;
    fail_code_ = code;
}

void FaultDisk::fail_never() {
    const std::lock_guard lock(mutex_);
    fail_from_ = fail_until_ = SIZE_MAX;
    rule_ = nullptr;
}

void FaultDisk::fail_if(std::function<int(DiskOp, const std::string&)> rule) {
    const std::lock_guard lock(mutex_);
    rule_ = std::move(rule);
}

std::size_t FaultDisk::operations() const {
    const std::lock_guard lock(mutex_);
    return operations_;
}

void FaultDisk::set_free(std::uint64_t octets) {
    const std::lock_guard lock(mutex_);
    free_ = octets;
}

std::optional<base::Error> FaultDisk::check(DiskOp op, const std::string& path) {
    if (rule_) {
        if (const int code = rule_(op, path)) return base::from_errno("fault " + path, code);
    }
    if (dead()) return base::from_errno("no power " + path, EIO);
    if (op == DiskOp::read || op == DiskOp::list) return std::nullopt;
    const auto number = operations_++;
    if (dead()) return base::from_errno("no power " + path, EIO);
    if (number >= fail_from_ && number < fail_until_) return base::from_errno("fault " + path, fail_code_);
    return std::nullopt;
}

void FaultDisk::cut_at(std::size_t nth) {
    const std::lock_guard lock(mutex_);
    cut_at_ = operations_ + nth;
}

bool FaultDisk::cut() const {
    const std::lock_guard lock(mutex_);
    return dead();
}

std::size_t FaultDisk::unsynced() const {
    const auto trial = copy();
    std::size_t questions = 0;
    trial->power_loss([&questions] { return ++questions != 0; });
    return questions;
}

std::shared_ptr<FaultDisk> FaultDisk::copy() const {
    const std::lock_guard lock(mutex_);
    auto made = std::make_shared<FaultDisk>();
    std::map<const Node*, std::shared_ptr<Node>> twins;
    const auto twin = [&twins](const std::shared_ptr<Node>& node) {
        if (node == nullptr) return node;
        auto& known = twins[node.get()];
        if (known == nullptr) known = std::make_shared<Node>(*node);
        return known;
    };
    for (const auto& [path, node] : names_) made->names_[path] = twin(node);
    for (const auto& [path, node] : durable_names_) made->durable_names_[path] = twin(node);
    for (const auto& [path, node, pair] : changes_) made->changes_.push_back({path, twin(node), pair});
    made->directories_ = directories_;
    made->next_inode_ = next_inode_;
    made->free_ = free_;
    return made;
}

void FaultDisk::power_loss() {
    power_loss([this] { return random_.below(2) == 0; });
}

void FaultDisk::power_loss(const std::function<bool()>& survives) {
    const std::lock_guard lock(mutex_);
    ++epoch_;
    rule_ = nullptr;
    fail_from_ = fail_until_ = cut_at_ = SIZE_MAX;
    std::set<std::string> happened;
    for (const auto& [path, node, pair] : changes_) {
        // The first half of a rename decides for both.
        const bool second = !pair.empty() && node == nullptr;
        if (!(second ? happened.erase(pair + '\n' + path) != 0 : survives())) continue;
        if (!pair.empty() && !second) happened.insert(path + '\n' + pair);
        if (node)
            durable_names_[path] = node;
        else
            durable_names_.erase(path);
    }
    changes_.clear();
    names_ = durable_names_;
    std::set<Node*> seen;
    for (auto& [path, node] : names_) {
        if (!seen.insert(node.get()).second) continue;
        auto& n = *node;
        for (const auto page : n.dirty) {
            if (!survives()) continue;
            const auto at = page * kPage;
            if (at >= n.now.size()) continue;
            const auto size = std::min<std::size_t>(kPage, n.now.size() - at);
            if (n.durable.size() < at + size) n.durable.resize(at + size, '\0');
            std::memcpy(n.durable.data() + at, n.now.data() + at, size);
        }
        n.dirty.clear();
        n.now = n.durable;
    }
}

void FaultDisk::kill() {
    const std::lock_guard lock(mutex_);
    ++epoch_;
    rule_ = nullptr;
    fail_from_ = fail_until_ = cut_at_ = SIZE_MAX;
}

std::string FaultDisk::content(const std::string& path) const {
    const std::lock_guard lock(mutex_);
    const auto at = names_.find(path);
    return at == names_.end() ? std::string() : at->second->now;
}

void FaultDisk::overwrite(const std::string& path, std::uint64_t offset, std::string_view bytes) {
    const std::lock_guard lock(mutex_);
    auto& node = *names_.at(path);
    for (auto* content : {&node.now, &node.durable}) {
        if (content->size() < offset + bytes.size()) content->resize(offset + bytes.size());
        std::memcpy(content->data() + offset, bytes.data(), bytes.size());
    }
}

void FaultDisk::put(const std::string& path, std::string content) {
    const std::lock_guard lock(mutex_);
    auto node = std::make_shared<Node>();
    node->now = node->durable = std::move(content);
    node->inode = next_inode_++;
    names_[path] = durable_names_[path] = node;
}

bool FaultDisk::exists(const std::string& path) const {
    const std::lock_guard lock(mutex_);
    return names_.contains(path);
}

void FaultDisk::change(const std::string& path, std::shared_ptr<Node> node, std::string pair) {
    if (node)
        names_[path] = node;
    else
        names_.erase(path);
    changes_.push_back({path, std::move(node), std::move(pair)});
}

base::Result<std::shared_ptr<base::File>> FaultDisk::open(const std::string& path, base::OpenMode mode) {
    const std::lock_guard lock(mutex_);
    if (mode == base::OpenMode::create) {
        if (auto error = check(DiskOp::open, path)) return std::unexpected(*error);
        if (names_.contains(path)) return base::fail_errno("open " + path, EEXIST);
        auto node = std::make_shared<Node>();
        node->inode = next_inode_++;
        change(path, node);
        return std::make_shared<FaultFile>(*this, node, path);
    }
    const auto at = names_.find(path);
    if (at == names_.end()) return base::fail_errno("open " + path, ENOENT);
    return std::make_shared<FaultFile>(*this, at->second, path);
}

base::Result<void> FaultDisk::rename(const std::string& from, const std::string& to) {
    const std::lock_guard lock(mutex_);
    if (auto error = check(DiskOp::rename, from)) return std::unexpected(*error);
    const auto at = names_.find(from);
    if (at == names_.end()) return base::fail_errno("rename " + from, ENOENT);
    auto node = at->second;
    change(to, node, from);
    change(from, nullptr, to);
    return {};
}

base::Result<void> FaultDisk::unlink(const std::string& path) {
    const std::lock_guard lock(mutex_);
    if (auto error = check(DiskOp::unlink, path)) return std::unexpected(*error);
    if (!names_.contains(path)) return base::fail_errno("unlink " + path, ENOENT);
    change(path, nullptr);
    return {};
}

base::Result<void> FaultDisk::sync_directory(const std::string& path) {
    const std::lock_guard lock(mutex_);
    if (auto error = check(DiskOp::sync_directory, path)) return std::unexpected(*error);
    std::vector<Change> rest;
    for (auto& one : changes_) {
        if (directory_of(one.path) != path) {
            rest.push_back(std::move(one));
        } else if (one.node) {
            durable_names_[one.path] = one.node;
        } else {
            durable_names_.erase(one.path);
        }
    }
    changes_ = std::move(rest);
    return {};
}

base::Result<void> FaultDisk::make_directory(const std::string& path, unsigned) {
    const std::lock_guard lock(mutex_);
    directories_.insert(path);
    return {};
}

base::Result<std::vector<std::string>> FaultDisk::list(const std::string& path) {
    const std::lock_guard lock(mutex_);
    if (auto error = check(DiskOp::list, path)) return std::unexpected(*error);
    if (!directories_.contains(path)) return base::fail_errno("opendir " + path, ENOENT);
    std::vector<std::string> found;
    for (const auto& [name, node] : names_) {
        if (directory_of(name) == path) found.push_back(name.substr(path.size() + 1));
    }
    return found;
}

base::Result<base::FileStatus> FaultDisk::status(const std::string& path) {
    const std::lock_guard lock(mutex_);
    const auto at = names_.find(path);
    if (at == names_.end()) return base::fail_errno("lstat " + path, ENOENT);
    return status_of(*at->second);
}

base::FileStatus FaultDisk::status_of(const Node& node) {
    return {node.inode, node.now.size(), 1000, true, 1, 1'700'000'000'000};
}

base::Result<base::Space> FaultDisk::space(const std::string&) {
    const std::lock_guard lock(mutex_);
    return base::Space{free_, std::uint64_t{1} << 40, 1U << 20U};
}

base::Result<base::Persistence> FaultDisk::persistence(const std::string&) {
    const std::lock_guard lock(mutex_);
    return persistence_;
}

}  // namespace posthorn::test
