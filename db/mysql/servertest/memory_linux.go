package servertest

import (
	"os"
	"syscall"
)

// memoryFolder returns a folder in memory with room for a few servers. That of
// a container often has 64 MB only, which is too little for one.
func memoryFolder() (string, bool) {
	const dir, room = "/dev/shm", 2 << 30
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil || st.Bavail*uint64(st.Bsize) < room {
		return "", false
	}
	probe, err := os.MkdirTemp(dir, "rps")
	if err != nil {
		return "", false
	}
	return dir, os.Remove(probe) == nil
}
