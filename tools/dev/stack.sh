# Sourced by ./dev: the containers of docker/compose.dev.yml: two servers, mail between them, and what watches them.

# The first of these that is there: docker's own compose, docker-compose, podman's. (Old ones do not read the project's
# name, by which the log shipper knows our containers, from the file.)
compose() {
    local engine
    for engine in "docker compose" "docker-compose" "podman compose" podman-compose; do
        # shellcheck disable=SC2086
        if command -v "${engine%% *}" >/dev/null && $engine version >/dev/null 2>&1; then
            $engine -p posthorn-dev -f docker/compose.dev.yml "$@"
            return
        fi
    done
    die "no container engine: install docker with its compose plugin, or podman with podman-compose"
}

# up [ARG...]: builds the image, starts everything, waits until it is healthy
verb_up() {
    compose up --build --detach "$@"
    cat <<'TEXT'
Mail          ./dev test-email, or SMTP at 127.0.0.1:2525; what arrived: IMAP at 127.0.0.1:1143, POP3 at
              127.0.0.1:1110 (user@example.net, password posthorn)
Dashboards    http://127.0.0.1:3000
Traces        http://127.0.0.1:16686
Metrics       http://127.0.0.1:9090, as they are: http://127.0.0.1:8080/metrics
Logs          ./dev logs sender receiver
TEXT
}

# down [--volumes]: with it queues and figures go, too
verb_down() {
    compose down "$@"
}

# logs [SERVICE...]
verb_logs() {
    compose logs --follow --tail=100 "$@"
}

# test-email [TO [FROM [HOST:PORT]]]: one message, and what became of it
verb_test-email() {
    local to=${1:-you@example.net} from=${2:-me@example.com} at=${3:-127.0.0.1:2525}
    python3 tools/test_email "$to" "$from" "$at"
}
