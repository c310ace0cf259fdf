"""Markdown tables of what was measured for several servers."""


def rows(table):
    widths = [max(len(r[i]) for r in table) for i in range(len(table[0]))]
    rule = ["-" * w for w in widths]
    return "\n".join("| " + " | ".join(c.ljust(w) for c, w in zip(r, widths)) + " |"
                     for r in [table[0], rule, *table[1:]])


def compared(results, servers, columns):
    """One row a measure: for each column (key, title, format) the servers' figures; then the ratios of the last
    server to the best of the others."""
    shown = [c for c in columns if any(c[0] in f for by in results.values() for f in by.values())]
    table = [["measure"] + [f"{title}: {' / '.join(servers)}" for _, title, _ in shown] + ["rate", "CPU"]]
    for name, by_server in results.items():
        row = [name]
        for key, _, form in shown:
            row.append(" / ".join(form.format(by_server[s][key]) if key in by_server.get(s, {}) else "–"
                                  for s in servers))
        last, others = by_server.get(servers[-1]), [by_server[s] for s in servers[:-1] if s in by_server]
        if last and others:
            row.append(f"{last['per_second'] / max(o['per_second'] for o in others):.2f}x")
            cpu = min(o["cpu_s_per_1000"] for o in others)
            row.append(f"1/{cpu / last['cpu_s_per_1000']:.1f}" if last["cpu_s_per_1000"] else "–")
        else:
            row += ["–", "–"]
        table.append(row)
    return rows(table)
