#!/bin/sh
# Repeats the measurements of README.md: interleaved, so that a busy machine is unfair to nobody.
# Usage: repeat.sh [RUNS [SECONDS]], after `cargo build --release` in this folder.
set -eu
runs=${1:-5} seconds=${2:-3} bin=${CARGO_TARGET_DIR:-$(dirname "$0")/target}/release
for run in $(seq "$runs"); do
    for rate in 600 5000 12000; do
        for shape in tasks onethread loop; do "$bin/spike-signalling" drive $shape $rate "$seconds" 8; done
    done
    for calls in 100 500; do
        for shape in task epoll epoll-tick mmsg-tick uring uring-tick; do "$bin/spike-media" drive $shape $calls "$seconds"; done
    done
done
for shape in tasks onethread loop; do
    for rate in 600 2000; do "$bin/spike-signalling" drive $shape $rate "$seconds" 8 strace; done
done
for shape in task epoll epoll-tick mmsg-tick uring uring-tick; do "$bin/spike-media" drive $shape 100 "$seconds" strace; done
