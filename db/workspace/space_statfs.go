//go:build linux || darwin || freebsd

package workspace

import "syscall"

// freeSpace returns how many bytes are free for this person where dir lies.
func freeSpace(dir string) (int64, bool) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return 0, false
	}
	return int64(st.Bavail) * int64(st.Bsize), true
}
