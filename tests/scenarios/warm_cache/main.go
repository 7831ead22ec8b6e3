// Warm_cache renders each of 2,000 thumbnails when it is first asked for: the heap grows fast,
// then slower, and levels off at 16 MB.
//
//truth:service verdict=cache shape=warm-up settle=40000 ops=4000 per_s=100
//truth:site mark=thumbnail function=main.render type=main.thumbnail alloc=new size=8192 per_op=0 holder=main.cache
package main

import (
	"math/rand"

	"memsnap.test/scenarios/internal/bench"
)

const (
	pictures      = 2_000
	thumbnailSize = 8 << 10
)

type thumbnail [thumbnailSize]byte

var (
	cache  = make(map[int]*thumbnail, pictures)
	random = rand.New(rand.NewSource(1))
)

func render(picture int) *thumbnail {
	t := new(thumbnail) // site: thumbnail
	t[0] = byte(picture)
	bench.Keep(1, thumbnailSize)
	return t
}

func show(picture int) *thumbnail {
	t := cache[picture]
	if t == nil {
		t = render(picture)
		cache[picture] = t
	}
	return t
}

func main() {
	bench.Main(func(int) { show(random.Intn(pictures)) })
}
