// Command ledger allocates a few things of its own types, and waits for the end of its input.
package main

import (
	"io"
	"os"

	"memsnap.test/ledger/money"
)

// Entry is laid out without thought.
type Entry struct {
	paid  bool
	cents int64
	open  bool
	next  *Entry
	note  byte
}

// Tight has no room to win, only a gap at its end.
type Tight struct {
	Entry
	last bool
}

var kept []any

func book(name string) {
	kept = append(kept, &Entry{cents: int64(len(name))})
	kept = append(kept, &Tight{}, new(money.Entry))
	kept = append(kept, make(map[string]*Entry, 100), name+"!")
}

func main() {
	book(os.Args[0])
	_, _ = io.Copy(io.Discard, os.Stdin)
}
