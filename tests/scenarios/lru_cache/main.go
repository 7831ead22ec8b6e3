// Lru_cache keeps the 2,000 answers that were asked for last: it is full from the start, and each
// new answer takes the place of the oldest.
//
//truth:service verdict=steady also=churn,cache shape=evicting ops=4000 per_s=200
//truth:site mark=answer function=main.compute type=main.answer alloc=new size=4096 per_op=0 holder=lru.byKey
package main

import (
	"container/list"

	"memsnap.test/scenarios/internal/bench"
)

const (
	kept       = 2_000
	answerSize = 4 << 10
)

type answer struct {
	key  int
	data [answerSize - 8]byte
}

type lru struct {
	byKey map[int]*list.Element
	byAge list.List
}

func compute(key int) *answer {
	return &answer{key: key} // site: answer
}

func (c *lru) add(a *answer) {
	c.byKey[a.key] = c.byAge.PushFront(a)
	if c.byAge.Len() > kept {
		oldest := c.byAge.Remove(c.byAge.Back()).(*answer)
		delete(c.byKey, oldest.key)
	}
}

func main() {
	cache := lru{byKey: map[int]*list.Element{}}
	for key := 0; key < 5*kept; key++ {
		cache.add(compute(-1 - key))
	}
	bench.Keep(kept, kept*answerSize)
	bench.Main(func(i int) { cache.add(compute(i)) })
}
