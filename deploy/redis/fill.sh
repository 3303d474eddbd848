#!/bin/sh
# Puts a factory's names and passwords into redis.conf, sentinel.conf and users.acl.
#   fill.sh FACTORY MASTER_HOST THIS_HOST FOLDER
# Passwords are made once, in FOLDER/passwords; copy that folder to the other machines and run this there too.
# No password is ever an argument of a command, where other users of the machine would see it.
set -eu
[ $# -eq 4 ] || { echo "usage: $0 FACTORY MASTER_HOST THIS_HOST FOLDER" >&2; exit 2; }
factory=$1 master=$2 this=$3 folder=$4 here=$(dirname "$0")
umask 077
mkdir -p "$folder/passwords"
words=$(mktemp "$folder/words.XXXXXX")
trap 'rm -f "$words"' EXIT

put() { # WORD FILE: the file's text where the word stands
    printf 's/%s/' "$1"
    tr -d '\n' < "$2"
    printf '/g\n'
}

for user in host operator dashboard replica sentinel; do
    file="$folder/passwords/$user"
    [ -s "$file" ] || od -An -tx1 -N24 /dev/urandom | tr -d ' \n' > "$file"
    name=$(echo "$user" | tr a-z A-Z)
    put "${name}_PASSWORD" "$file"
    printf 's/%s_SHA256/%s/g\n' "$name" "$(sha256sum < "$file" | cut -d' ' -f1)"
done > "$words"
printf 's/FACTORY/%s/g\ns/MASTER_HOST/%s/g\ns/THIS_HOST/%s/g\n' "$factory" "$master" "$this" >> "$words"

for file in redis.conf sentinel.conf users.acl; do
    sed -f "$words" "$here/$file" > "$folder/$file"
done
[ "$this" = "$master" ] || echo "replicaof $master 6379" >> "$folder/redis.conf"
