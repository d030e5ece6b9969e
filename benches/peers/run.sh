#!/bin/sh
# ./run.sh [filter]   filter = comma separated workload prefixes, e.g. "A2,B" (default: everything)
#   FULL=1   also run the cases that take minutes (see TOO_SLOW in src/main.rs)
#   CROWD="10000 100000"  sizes for D1
set -e
cd "$(dirname "$0")"
F="$1"
O=out
mkdir -p $O
rm -f $O/cg.out* $O/*.tsv
cargo build --release -q 2>$O/build.log || { cat $O/build.log; exit 1; }
B=${CARGO_TARGET_DIR:-target}/release/icebench
$B wall "$F" > $O/wall.tsv
if command -v valgrind >/dev/null; then
  valgrind --tool=callgrind --instr-atstart=no --callgrind-out-file=$O/cg.out $B cg "$F" > $O/cg.log 2>&1 || tail -5 $O/cg.log
fi
case "$F" in ""|D*|*,D*)
  case "$F" in D2*|D3*) ;; *) for n in ${CROWD:-10000 100000}; do $B crowd $n >> $O/crowd.tsv; done ;; esac ;;
esac
echo "CPU: $(grep -m1 'model name' /proc/cpuinfo | cut -d: -f2), sha_ni: $(grep -qw sha_ni /proc/cpuinfo && echo yes || echo no), $(rustc --version)"
python3 report.py $O
