// The world of one run, drawn from its seed: destinations with their hosts, a zone, a configuration; and what may
// change about them while the run goes on. It outlives the lives of the service.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "delivery/config.hpp"
#include "tests/simulation/peer.hpp"
#include "tests/support/fake_connector.hpp"
#include "tests/support/fake_resolver.hpp"

namespace posthorn::simulation {

class World {
public:
    World(std::uint64_t seed, Trace& trace, Ledger& ledger);

    void change_temper();
    void change_dns();
    void change_config();  // of this `config`: somebody must still hand it to the service
    // All faults end. What is refused for good stays refused: hosts are well, and their answers stand.
    void heal();
    void new_life();  // connections and buckets of the last one are gone

    std::string recipient(const std::string& local);  // at some domain
    std::string sender(const std::string& local);
    // How long all that waits may take once everything is well.
    base::Duration patience(std::size_t recipients) const;
    const std::vector<std::unique_ptr<Site>>& sites() const { return sites_; }
    Site& some_site() { return *sites_.at(dice.below(sites_.size())); }

    Dice dice;
    testing::FakeResolver resolver;
    testing::FakeConnector connector;
    delivery::Config config;
    std::size_t loops = 1;
    base::Duration latency{};  // of the disk

private:
    struct Domain {
        std::string name;
        Site* site;
        std::vector<std::string> hosts;  // MX names
    };
    void draw_config();
    void add_domain(const std::string& name);
    void add_smarthost();
    void add_lmtp(const std::string& name);
    Site& add_site(const std::string& name);
    std::string add_host(Site& site, const std::string& name);
    policy::DomainRule& rule(const std::string& pattern);
    void draw_rate(policy::DomainRule& rule);
    void refresh(bool new_life);

    Trace& trace_;
    Ledger& ledger_;
    std::vector<std::unique_ptr<Site>> sites_;
    std::vector<std::unique_ptr<Host>> hosts_;
    std::vector<Domain> domains_;
    std::vector<std::string> strange_;  // domains without hosts of ours
};

}  // namespace posthorn::simulation
