#!/bin/sh
# The first process of a machine: unshare(1) has given it its own processes, mounts, host name and cgroups. Its files are
# those of this machine below a layer in memory, so nothing stays of what it installs or writes.
set -eu
layers=$1
mount --make-rprivate /
mount -t tmpfs layers "$layers"
mkdir "$layers/upper" "$layers/work" "$layers/root"
root=$layers/root
mount -t overlay overlay -o "lowerdir=/,upperdir=$layers/upper,workdir=$layers/work" "$root"
mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
    mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
else
    mount -t tmpfs cgroup "$root/sys/fs/cgroup"
    mkdir "$root/sys/fs/cgroup/systemd"
    mount -t cgroup -o none,name=systemd systemd "$root/sys/fs/cgroup/systemd"
fi
mount --rbind /dev "$root/dev"
mount -t tmpfs run "$root/run"
# The checkout may be below /tmp: nothing hides or clears it.
ln -sf /dev/null "$root/etc/systemd/system/tmp.mount"
ln -sf /dev/null "$root/etc/tmpfiles.d/tmp.conf"
# Not chroot: a process in one can have no namespace of users, and the units ask for one (PrivateUsers).
cd "$root"
pivot_root . mnt
umount -l mnt
exec env -i container=other PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --unit=basic.target
