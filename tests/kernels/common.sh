# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# What the scripts of this folder share; sourced.

# What takes long to get is kept here; whatever is removed is made again.
export cache=${XDG_CACHE_HOME:-$HOME/.cache}/onlooker/kernels

say() {
	printf '%s\n' "$*" >&2
}

mirror() { # debian|debian-security: the archive that this machine takes its own packages from
	local uri
	uri=$(apt-get indextargets --format "\$(REPO_URI)" 'Created-By: Packages' 2>/dev/null |
		sed 's,/*$,,' | grep -m 1 "/$1\$" || true)
	echo "${uri:-http://deb.debian.org/$1}"
}

keyring() {
	echo /usr/share/keyrings/debian-archive-keyring.gpg
}
