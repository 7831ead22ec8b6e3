// Package group starts goroutines for its callers and waits for them, as errgroup does.
package group

import "sync"

// A Group is a number of goroutines that belong together.
type Group struct {
	wait  sync.WaitGroup
	once  sync.Once
	first error
}

// Go runs f in a goroutine of its own.
func (g *Group) Go(f func() error) {
	g.wait.Add(1)
	go func() { // site: group
		defer g.wait.Done()
		if err := f(); err != nil {
			g.once.Do(func() { g.first = err })
		}
	}()
}

// Wait returns the first error once all are done.
func (g *Group) Wait() error {
	g.wait.Wait()
	return g.first
}
