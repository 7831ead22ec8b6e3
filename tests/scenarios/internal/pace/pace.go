// Package pace performs work at a rate, by the clock, as requests come to a service.
package pace

import "time"

const (
	tick = 50 * time.Millisecond
	// A process that was kept waiting catches up, but not all at once.
	longestBacklog = time.Second
)

// Run calls do for ever, perSecond times a second on average.
func Run(perSecond float64, do func()) {
	due, last := 0.0, time.Now()
	for now := range time.Tick(tick) {
		due += perSecond * now.Sub(last).Seconds()
		last = now
		if most := max(1, perSecond*longestBacklog.Seconds()); due > most {
			due = most
		}
		for ; due >= 1; due-- {
			do()
		}
	}
}
