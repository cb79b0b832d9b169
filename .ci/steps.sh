# Steps of `.ci/run`: their times, jobs beside them, and short forms of what they do. Sourced.
begun=$(date +%s)
steps=()
times=()
step_begun=$begun
# No job outlives the script.
trap 'jobs -p | xargs -r kill 2>/dev/null || true' EXIT

# Ends the step before, and begins one.
step() {
    close_step
    steps+=("$1")
    printf '\n== %s (%d s)\n' "$1" $(($(date +%s) - begun))
}

close_step() {
    local now
    now=$(date +%s)
    ((${#steps[@]} == 0)) || times+=($((now - step_begun)))
    step_begun=$now
}

# A command beside the steps; what it prints is shown if it fails.
background() {
    local name=$1
    shift
    "$@" >"target/ci/$name.txt" 2>&1 </dev/null &
    declare -g "job_$name=$!"
}

# Waits for such a command, and shows how it ended: the last lines, 6 unless told.
await() {
    local job=job_$1
    wait "${!job}" || {
        tail -n 200 "target/ci/$1.txt"
        echo "$1: failed"
        exit 1
    }
    tail -n "${2:-6}" "target/ci/$1.txt"
}

# Waits until such a command has printed a text, or has ended. Cargo lets one build go on at a time in a target folder: what
# runs beside it must be built first.
until_printed() {
    local job=job_$1
    while kill -0 "${!job}" 2>/dev/null && ! grep -qF "$2" "target/ci/$1.txt"; do sleep 1; done
}

# The README has this command.
readme() { grep -qF "$1" README.md || { echo "README.md lacks: $1"; exit 1; }; }

example() { cargo run --quiet --example "$@"; }

# The table: seconds per step, the processor, and a fixed piece of work for the compiler, alone on the machine.
finish() {
    close_step
    local place before probe
    before=$(date +%s%N)
    rustc --edition 2024 -C opt-level=3 -C codegen-units=1 -o target/ci/probe .ci/probe.rs
    probe=$((($(date +%s%N) - before) / 1000000))
    printf '\n%8s  step\n' seconds
    for place in "${!steps[@]}"; do printf '%8d  %s\n' "${times[$place]}" "${steps[$place]}"; done
    printf '%8d  in all\n' $(($(date +%s) - begun))
    printf '%6d.%d  compiling .ci/probe.rs, on %d cores of %s\n' $((probe / 1000)) $((probe % 1000 / 100)) "$(nproc)" \
        "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)"
}
