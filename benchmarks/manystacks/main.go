// Manystacks allocates from a chosen number of distinct stacks, about 30 frames deep, and writes
// two heap profiles, before.pb.gz and after.pb.gz.  Between the two, most stacks keep what they
// hold, some let go of it, some allocate more, some only churn, and a few are new.
package main

import (
	"encoding/json"
	"flag"
	"log"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"

	"example.com/manystacks/entry"
	"example.com/manystacks/walk"
)

var sizes = [...]int{16, 24, 32, 48, 64, 96, 128, 208, 256, 512, 1024}

// A stack is one path through the program and what is live of it.
type stack struct {
	seed  uint64
	depth int
	size  int
	live  [][]byte
}

func newStack(number, objects int) *stack {
	seed := walk.Mix(uint64(number) + 1)
	return &stack{
		seed:  seed,
		depth: 25 + int((seed>>8)%5),
		size:  sizes[(seed>>16)%uint64(len(sizes))],
		live:  make([][]byte, 0, 4*objects),
	}
}

func (s *stack) allocate(objects int) {
	var path walk.Path
	for range make([]struct{}, objects) {
		path.Start(s.seed, s.depth, s.size)
		s.live = append(s.live, entry.Enter(&path))
	}
}

func (s *stack) release(objects int) {
	kept := len(s.live) - min(objects, len(s.live))
	clear(s.live[kept:])
	s.live = s.live[:kept]
}

// plan returns how many objects the stack releases, then allocates, in the time before the first
// profile (era 0) or between the two (era 1); late stacks begin with era 1.
func (s *stack) plan(era, objects int, late bool) (released, allocated int) {
	if era == 0 && late {
		return 0, 0
	}
	if era == 0 || late {
		return 0, objects
	}
	switch fate := (s.seed >> 24) % 100; {
	case fate < 20:
		return 0, objects
	case fate < 30:
		return 1 + objects/2, 0
	case fate < 34:
		return len(s.live), 0
	case fate < 50:
		return objects, objects
	}
	return 0, 0
}

func main() {
	count := flag.Int("stacks", 2000, "distinct stacks")
	rate := flag.Int("rate", 1, "runtime.MemProfileRate")
	objects := flag.Int("objects", 3, "objects that a stack allocates at a time")
	out := flag.String("o", ".", "folder of the two profiles")
	flag.Parse()

	early := *count * 97 / 100
	stacks := make([]*stack, *count)
	for number := range stacks {
		stacks[number] = newStack(number, *objects)
	}
	runtime.MemProfileRate = *rate
	// Both eras allocate through the same calls: a stack that grows stays the same stack.
	for era, name := range []string{"before.pb.gz", "after.pb.gz"} {
		for number, s := range stacks {
			released, allocated := s.plan(era, *objects, number >= early)
			s.release(released)
			s.allocate(allocated)
		}
		write(filepath.Join(*out, name))
	}
	describe()
	runtime.KeepAlive(stacks)
}

func write(name string) {
	runtime.GC()
	file, err := os.Create(name)
	check(err)
	check(pprof.Lookup("heap").WriteTo(file, 0))
	check(file.Close())
}

// describe prints what the last profile holds, as JSON.
func describe() {
	records := make([]runtime.MemProfileRecord, 2<<20)
	count, ok := runtime.MemProfile(records, true)
	if !ok {
		log.Fatal("more stacks than were asked for")
	}
	frames := 0
	for _, record := range records[:count] {
		frames += len(record.Stack())
	}
	facts := map[string]int{"stacks": count, "mean_depth": frames / count}
	check(json.NewEncoder(os.Stdout).Encode(facts))
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
