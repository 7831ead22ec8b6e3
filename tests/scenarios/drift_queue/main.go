// Drift_queue reads each subscriber's queue with s = s[1:] down to the newest message: the window
// drifts, but the array and the messages before the window stay.
//
//truth:service verdict=leak trap=drift ops=500
//truth:site mark=message function=main.publish type=main.message alloc=new size=2048 per_op=8 holder=main.queues cause=main.catchUp
//truth:site mark=queue function=main.publish type=[]*main.message alloc=make size=64 per_op=1 holder=main.queues
package main

import "memsnap.test/scenarios/internal/bench"

const (
	backlog     = 8
	messageSize = 2 << 10
)

type message struct {
	number int
	text   [messageSize - 8]byte
}

var (
	queues = map[int][]*message{}
	read   int
)

func publish(subscriber int) {
	queue := make([]*message, 0, backlog) // site: queue
	for number := 0; number < backlog; number++ {
		queue = append(queue, &message{number: number}) // site: message
	}
	queues[subscriber] = queue // cause
}

func catchUp(subscriber int) {
	queue := queues[subscriber]
	for len(queue) > 1 {
		read += queue[0].number
		queue = queue[1:] // cause
	}
	queues[subscriber] = queue
}

func main() {
	bench.Main(func(i int) {
		publish(i)
		catchUp(i)
		bench.Keep(backlog+1, backlog*(messageSize+8))
	})
}
