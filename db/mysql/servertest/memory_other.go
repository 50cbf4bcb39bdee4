//go:build !linux

package servertest

func memoryFolder() (string, bool) { return "", false }
