#!/bin/sh
# Installs a packed tabmesh into this folder without what graphics cards need (600 MB): of packages with machine code those of
# this processor, by name. `--omit=optional` alone would leave these out as well.
set -eu
tarball=$1
arch=$(node -p process.arch)
version() { node -p "const { dependencies, optionalDependencies } = require('./package/package.json'); ({ ...dependencies, ...optionalDependencies })['$1']"; }

here=$(pwd)
unpacked=$(mktemp -d)
tar -xzf "$tarball" -C "$unpacked" package/package.json
cd "$unpacked"
llama=$(version node-llama-cpp)
channel=$(version node-datachannel)
sqlite=$(version libsql)
cd "$here"
rm -r "$unpacked"

exec npm install --omit=optional --omit=dev --no-audit --no-fund --prefer-offline \
  "$tarball" \
  "@node-llama-cpp/linux-$arch@$llama" \
  "node-datachannel@$channel" "@node-datachannel/linux-$arch-gnu@$channel" \
  "@libsql/linux-$arch-gnu@$sqlite"
