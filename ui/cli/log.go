package cli

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
)

// A log is kept in files of at most logSize bytes, the newest and logFiles
// older ones.
const (
	logSize  = 5 << 20
	logFiles = 3
)

// OpenLog returns a logger that writes JSON lines to a file which only its
// owner can read. Callers log constant messages with ids, kinds and counts,
// never a person's data or a secret.
func OpenLog(name string) (*slog.Logger, error) {
	f := &logFile{name: name}
	if err := f.open(); err != nil {
		return nil, err
	}
	return slog.New(slog.NewJSONHandler(f, nil)), nil
}

// logFile is a file that makes room by renaming itself away. It stays open for
// as long as the program runs.
type logFile struct {
	mu   sync.Mutex
	name string
	file *os.File
	size int64
}

func (l *logFile) open() error {
	if err := os.MkdirAll(filepath.Dir(l.name), 0o700); err != nil {
		return fmt.Errorf("open log: %w", err)
	}
	f, err := os.OpenFile(l.name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("open log: %w", err)
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return fmt.Errorf("open log: %w", err)
	}
	l.file, l.size = f, info.Size()
	return nil
}

// Write appends one line.
func (l *logFile) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.size > 0 && l.size+int64(len(b)) > logSize {
		if err := l.rotateLocked(); err != nil {
			return 0, err
		}
	}
	n, err := l.file.Write(b)
	l.size += int64(n)
	return n, err
}

func (l *logFile) rotateLocked() error {
	if err := l.file.Close(); err != nil {
		return err
	}
	for i := logFiles; i > 1; i-- {
		if err := os.Rename(fmt.Sprintf("%s.%d", l.name, i-1), fmt.Sprintf("%s.%d", l.name, i)); err != nil && !os.IsNotExist(err) {
			return err
		}
	}
	if err := os.Rename(l.name, l.name+".1"); err != nil {
		return err
	}
	return l.open()
}
