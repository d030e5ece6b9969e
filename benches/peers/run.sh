#!/bin/sh
# ./run.sh [FILTER]      workloads that begin with one of the prefixes, as "A2,B"; all of them if there is none. Markdown on stdout
#   README=1             into README.md instead, in the place of what stands there
#   FULL=1               also what takes minutes (SLOW in src/main.rs)
#   CROWD="10000 100000" the sizes of D1
#   ONLY=floe            floe and the limits alone
set -e
cd "$(dirname "$0")"
filter=$1
out=out
mkdir -p $out
rm -f $out/cg.out* $out/*.tsv
cargo build --release -q 2>$out/build.log || { cat $out/build.log >&2; exit 1; }
bench=${CARGO_TARGET_DIR:-target}/release/icebench
$bench wall "$filter" >$out/wall.tsv
if command -v valgrind >/dev/null; then
  valgrind --tool=callgrind --instr-atstart=no --callgrind-out-file=$out/cg.out $bench cg "$filter" >$out/cg.log 2>&1 ||
    tail -5 $out/cg.log >&2
fi
case ",$filter," in
*,,* | *,D,* | *,D1,*)
  for agents in ${CROWD:-10000 100000}; do
    $bench crowd "$agents" ${ONLY:+"$ONLY"} >>$out/crowd.tsv
  done
  ;;
esac
echo "CPU:$(grep -m1 'model name' /proc/cpuinfo | cut -d: -f2), SHA-NI: $(grep -qw sha_ni /proc/cpuinfo && echo yes || echo no), $(rustc --version)" >&2
python3 report.py $out ${README:+--readme}
