#include "server/options.hpp"

#include <boost/program_options.hpp>
#include <sstream>

namespace posthorn::server {
namespace {

namespace po = boost::program_options;

po::options_description description(Options& options) {
    po::options_description out("posthornd: receives mail, keeps it safe, delivers it");
    out.add_options()                                                                                         //
        ("config,c", po::value(&options.config), "configuration file")                                        //
        ("check-config", "say what is wrong with the configuration, and end")                                 //
        ("check", "say whether a server can work with it on this machine, and end: 1 if something is wrong")  //
        ("json", po::bool_switch(&options.json), "with --check: as JSON")                                     //
        ("store-check", po::value(&options.account),
         "say as JSON whether this account's mailboxes are in good order, with the server down, and end")  //
        ("bodies", po::bool_switch(&options.bodies), "with --store-check: read each message")              //
        ("store-repair", po::value<std::string>(),
         "put this account's mailboxes in order, with the server down, and end")                           //
        ("print-config", "write the commented configuration with all defaults, and end")                   //
        ("count-queue", "say how many messages wait in the spool of a server that does not run, and end")  //
        ("ephemeral", po::bool_switch(&options.ephemeral),
         "allow a spool that does not survive a crash of the machine")  //
        ("version", "say the version, and end")                         //
        ("help,h", "this text");
    return out;
}

}  // namespace

std::expected<Options, std::string> parse_options(int argc, const char* const* argv) {
    Options options;
    const auto known = description(options);
    const po::positional_options_description none;
    try {
        po::variables_map given;
        po::store(po::command_line_parser(argc, argv).options(known).positional(none).run(), given);
        po::notify(given);
        if (given.contains("help"))
            options.action = Options::Action::help;
        else if (given.contains("version"))
            options.action = Options::Action::version;
        else if (given.contains("print-config"))
            options.action = Options::Action::print_config;
        else if (given.contains("count-queue"))
            options.action = Options::Action::count_queue;
        else if (given.contains("store-check"))
            options.action = Options::Action::store_check;
        else if (given.contains("store-repair")) {
            options.action = Options::Action::store_repair;
            options.account = given["store-repair"].as<std::string>();
        } else if (given.contains("check"))
            options.action = Options::Action::check;
        else if (given.contains("check-config"))
            options.action = Options::Action::check_config;
        if (options.json && options.action != Options::Action::check)
            return std::unexpected("--json goes with --check");
        if (given.contains("config") && options.config.empty()) return std::unexpected("--config wants a file");
    } catch (const po::error& e) {
        return std::unexpected(e.what());
    }
    return options;
}

std::string options_help() {
    Options options;
    std::ostringstream out;
    out << description(options);
    return out.str();
}

}  // namespace posthorn::server
