//go:build linux || darwin || freebsd || netbsd || openbsd

package ui

import (
	"os"
	"syscall"
)

// canSuspend tells whether a shell waits that can bring the program back. A
// program that leads its session (xterm -e, a container) would sleep for ever.
func canSuspend() bool {
	mine, ok := sessionOf(0)
	if !ok || mine == os.Getpid() {
		return false
	}
	parent, ok := sessionOf(os.Getppid())
	return ok && parent == mine
}

func sessionOf(pid int) (int, bool) {
	sid, _, errno := syscall.RawSyscall(syscall.SYS_GETSID, uintptr(pid), 0, 0)
	return int(sid), errno == 0
}
