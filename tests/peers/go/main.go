// SPDX-License-Identifier: Apache-2.0

// The official Go client as a user of a broker: sends COUNT messages synchronously and one more one-way, receives them
// with a push consumer, and prints one JSON object with what it sent and received.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/apache/rocketmq-client-go/v2"
	"github.com/apache/rocketmq-client-go/v2/consumer"
	"github.com/apache/rocketmq-client-go/v2/primitive"
	"github.com/apache/rocketmq-client-go/v2/producer"
	"github.com/apache/rocketmq-client-go/v2/rlog"
)

type message struct {
	ID          string `json:"id"`
	Body        string `json:"body"`
	Tags        string `json:"tags"`
	Keys        string `json:"keys"`
	Plate       string `json:"plate"`
	Queue       int    `json:"queue"`
	QueueOffset int64  `json:"offset"`
	Times       int32  `json:"reconsumeTimes"`
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func send(nameServer []string, topic string, count int) []message {
	var sent []message
	p, err := rocketmq.NewProducer(producer.WithNameServer(nameServer), producer.WithGroupName("go-producer"),
		producer.WithSendMsgTimeout(30*time.Second))

	check(err)
	check(p.Start())
	for i := 0; i < count; i++ {
		m := primitive.NewMessage(topic, []byte(fmt.Sprintf("go %d", i)))
		m.WithTag("TagGo").WithKeys([]string{fmt.Sprintf("key%d", i)}).WithProperty("plate", "粤B1")
		result, err := p.SendSync(context.Background(), m)
		check(err)
		sent = append(sent, message{ID: result.MsgID, Body: string(m.Body), Queue: result.MessageQueue.QueueId,
			QueueOffset: result.QueueOffset})
	}
	check(p.SendOneWay(context.Background(), primitive.NewMessage(topic, []byte("go one-way")).WithTag("TagGo")))
	check(p.Shutdown())
	return sent
}

// receive takes `count` different bodies; the body "go 0" fails once, to come back by the broker's retry topic.
func receive(nameServer []string, topic string, count int) []message {
	var lock sync.Mutex
	var got []message
	done := make(chan bool, 1)
	c, err := rocketmq.NewPushConsumer(consumer.WithNameServer(nameServer), consumer.WithGroupName("go-consumer"),
		consumer.WithConsumeFromWhere(consumer.ConsumeFromFirstOffset))

	check(err)
	selector := consumer.MessageSelector{Type: consumer.TAG, Expression: "TagGo"}
	check(c.Subscribe(topic, selector, func(ctx context.Context, ms ...*primitive.MessageExt) (consumer.ConsumeResult, error) {
		result := consumer.ConsumeSuccess

		lock.Lock()
		defer lock.Unlock()
		for _, m := range ms {
			got = append(got, message{m.MsgId, string(m.Body), m.GetTags(), m.GetKeys(), m.GetProperty("plate"),
				m.Queue.QueueId, m.QueueOffset, m.ReconsumeTimes})
			if string(m.Body) == "go 0" && m.ReconsumeTimes == 0 {
				if concurrent, ok := primitive.GetConcurrentlyCtx(ctx); ok {
					concurrent.DelayLevelWhenNextConsume = 1
				}
				result = consumer.ConsumeRetryLater
			}
		}
		if len(got) == count {
			done <- true
		}
		return result, nil
	}))
	check(c.Start())
	select {
	case <-done:
	case <-time.After(90 * time.Second):
	}
	check(c.Shutdown())
	lock.Lock()
	defer lock.Unlock()
	return got
}

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: goclient HOST:PORT TOPIC COUNT")
		os.Exit(2)
	}
	nameServer := []string{os.Args[1]}
	count, err := strconv.Atoi(os.Args[3])

	check(err)
	rlog.SetLogLevel("error")
	sent := send(nameServer, os.Args[2], count)
	received := receive(nameServer, os.Args[2], count+2) // the one-way message, and one of them twice
	check(json.NewEncoder(os.Stdout).Encode(map[string][]message{"sent": sent, "received": received}))
}
