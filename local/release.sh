#!/usr/bin/env bash
# Builds sdist and wheel in dist/ from a clean tree, and tries both in empty environments:
# the command, the public names, and a pack that answers for a recording.
#
#   ./local/release.sh URL    the repository's address, such as https://github.com/OWNER/NAME:
#                             README's links lead there from PyPI, to the tag vVERSION
[ "${BASH_VERSION-}" ] || exec bash "$0" "$@" # by `sh release.sh`
set -euo pipefail
unset CDPATH # by which cd goes elsewhere

if [[ ${1-} == -h || ${1-} == --help ]]; then
  sed -n '2,/^set /s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"
  exit 0
fi
cd "$(dirname "${BASH_SOURCE[0]}")/.."
root=$PWD

say() { echo "[release] $*"; }

fail() {
  echo "[release] $*" >&2
  exit 1
}

url=${1-}
if [[ $url != https://* ]]; then
  fail "name the repository's address, where README's links are to lead: $0 https://..."
fi
if [[ $(git status --porcelain) ]]; then
  fail "the tree has changes that are not committed: commit or stash them first"
fi
./local/env.sh release
export PATH=$root/.venv/bin:$PATH
version=$(python -c 'import espnet_sentiment; print(espnet_sentiment.__version__)')
grep -q "^## \[$version\]" CHANGELOG.md ||
  fail "CHANGELOG.md has no part '## [$version]': write one, or set another version"

say "building $version"
rm -rf build dist
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
# As git has it, but for README's links.
mkdir "$scratch/tree"
git archive HEAD | tar -x -C "$scratch/tree"
python local/absolute_links.py "$scratch/tree/README.md" "$url" "v$version"
python -m build --outdir dist "$scratch/tree"
twine check --strict dist/*

cp -R tests/made_by_0_1_0/model.zip "$scratch"
export ESPNET_SENTIMENT_CACHE=$scratch/cache
# A recording that ESPnet's wheel brings.
python -c "
import importlib.resources as resources, tarfile
archive = resources.files('egs3') / 'mini_an4' / 'esp2_asr' / 'downloads.tar.gz'
with resources.as_file(archive) as path, tarfile.open(path) as stream:
    stream.extractall('$scratch', filter='data')"
wav=$(find "$scratch/downloads" -name '*.sph' | sort | head -n 1)

# try <archive>: install it where nothing is, and use it from elsewhere.
try() {
  local venv=$scratch/$1
  say "trying $1 in an empty environment"
  python -m venv "$venv"
  local uv
  if uv=$(command -v uv); then
    "$uv" pip install --quiet --python "$venv/bin/python" "dist/$1"
  else
    "$venv/bin/python" -m pip install --quiet "dist/$1"
  fi
  cd "$scratch"
  "$venv/bin/espnet-sentiment" --version
  "$venv/bin/python" -c "
from espnet_sentiment import Speech2Sentiment, SpecAugment, load_model, pack_model
from espnet_sentiment.report.languages import language_names
print('languages of the report:', *language_names())"
  "$venv/bin/espnet-sentiment" predict --model model.zip "$wav"
  cd "$root"
  rm -rf "$venv"
}

for archive in dist/*.whl dist/*.tar.gz; do try "$(basename "$archive")"; done
say "dist/ is ready: tag v$version, push the tag, twine upload dist/*"
