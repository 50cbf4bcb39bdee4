//go:build linux || darwin || freebsd || netbsd || openbsd

package ui

import (
	"os"
	"syscall"
)

// canSuspend tells whether a shell waits that can bring the program back. A
// program that leads its session (xterm -e, a container) would sleep for ever.
func canSuspend() bool {
	mine, ok := session(0)
	if !ok || mine == os.Getpid() {
		return false
	}
	parent, ok := session(os.Getppid())
	return ok && parent == mine
}

func session(pid int) (int, bool) {
	sid, _, errno := syscall.RawSyscall(syscall.SYS_GETSID, uintptr(pid), 0, 0)
	return int(sid), errno == 0
}
