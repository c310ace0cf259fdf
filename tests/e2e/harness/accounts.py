"""Accounts of the embedded directory, made by an operator's hand."""

PASSWORD = "correct horse battery staple"


def add(daemon, *addresses, password=PASSWORD):
    """Makes the accounts, and their domains where they are new."""
    domains = {d["domain"] for d in daemon.mailctl("domain", "list", json_output=True)}
    for address in addresses:
        domain = address.rpartition("@")[2]
        if domain not in domains:
            daemon.mailctl("domain", "add", domain)
            domains.add(domain)
        daemon.mailctl("account", "add", address, input=password + "\n")
