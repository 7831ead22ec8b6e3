package traffic

import (
	"container/list"
	"math/rand"
)

const cached = 1_500

type page struct {
	number int
	text   []byte
}

// cache keeps the pages that were asked for last.
type cache struct {
	byNumber map[int]*list.Element
	byAge    *list.List
}

func newCache() *cache {
	return &cache{byNumber: map[int]*list.Element{}, byAge: list.New()}
}

func (c *cache) page(random *rand.Rand, number int) *page {
	if element := c.byNumber[number]; element != nil {
		c.byAge.MoveToFront(element)
		return element.Value.(*page)
	}
	rendered := &page{number: number, text: make([]byte, 1_024+random.Intn(3_072))}
	c.byNumber[number] = c.byAge.PushFront(rendered)
	if c.byAge.Len() > cached {
		oldest := c.byAge.Remove(c.byAge.Back()).(*page)
		delete(c.byNumber, oldest.number)
	}
	return rendered
}
