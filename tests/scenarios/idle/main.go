// Idle answers a health check every now and then, and holds nothing.
//
//truth:service verdict=steady also=churn shape=idle ops=1000 per_s=2
//truth:site mark=answer function=main.check type=[]uint8 alloc=make size=1024 per_op=0
package main

import "memsnap.test/scenarios/internal/bench"

const answerSize = 1 << 10

var last []byte

func check(i int) []byte {
	answer := make([]byte, answerSize) // site: answer
	answer[0] = byte(i)
	return answer
}

func main() {
	last = check(0)
	bench.Main(func(i int) { last = check(i) })
}
