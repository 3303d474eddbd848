#!/bin/sh
# Puts a factory's names and passwords into redis.conf, sentinel.conf and users.acl.
#   fill.sh FACTORY MASTER_HOST THIS_HOST FOLDER
# Passwords are made once, in FOLDER/passwords; copy that folder to the other machines and run this there too.
set -eu
[ $# -eq 4 ] || { echo "usage: $0 FACTORY MASTER_HOST THIS_HOST FOLDER" >&2; exit 2; }
factory=$1 master=$2 this=$3 folder=$4 here=$(dirname "$0")
umask 077
mkdir -p "$folder/passwords"

words="-e s/FACTORY/$factory/g -e s/MASTER_HOST/$master/g -e s/THIS_HOST/$this/g"
for user in host operator dashboard replica sentinel; do
    file="$folder/passwords/$user"
    [ -s "$file" ] || od -An -tx1 -N24 /dev/urandom | tr -d ' \n' > "$file"
    name=$(echo "$user" | tr a-z A-Z)
    hash=$(sha256sum < "$file" | cut -d' ' -f1)
    words="$words -e s/${name}_PASSWORD/$(cat "$file")/g -e s/${name}_SHA256/$hash/g"
done

for file in redis.conf sentinel.conf users.acl; do
    # shellcheck disable=SC2086  # one word for each expression
    sed $words "$here/$file" > "$folder/$file"
done
[ "$this" = "$master" ] || echo "replicaof $master 6379" >> "$folder/redis.conf"
