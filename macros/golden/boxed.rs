#[retry(policy = POLICY)]
fn get<'life0, 'async_trait>(
    &'life0 self,
    key: String,
) -> ::core::pin::Pin<Box<dyn ::core::future::Future<Output = Result<Value, Error>> + ::core::marker::Send + 'async_trait>>
where
    'life0: 'async_trait,
    Self: 'async_trait,
{
    Box::pin(async move {
        if let ::core::option::Option::Some(__ret) = ::core::option::Option::None::<Result<Value, Error>> {
            #[allow(unreachable_code)]
            return __ret;
        }
        let __self = self;
        let key = key;
        let __ret: Result<Value, Error> = { __self.lookup(&key).await };
        #[allow(unreachable_code)]
        __ret
    })
}
// ---
fn get<'life0, 'async_trait>(
    &'life0 self,
    key: String,
) -> ::core::pin::Pin<Box<dyn ::core::future::Future<Output = Result<Value, Error>> + ::core::marker::Send + 'async_trait>>
where
    'life0: 'async_trait,
    Self: 'async_trait,
{
    Box::pin(async move {
        if let ::core::option::Option::Some(__ret) = ::core::option::Option::None::<Result<Value, Error>> {
            #[allow(unreachable_code)]
            return __ret;
        }
        let __self = self;
        let key = key;
        let __persevere_of = ::persevere::__private::of::<Result<Value, Error>>();
        match ::persevere::__private::drive(::persevere::__private::named(
            POLICY,
            {
                struct __PersevereName;
                impl ::persevere::__private::FunctionName for __PersevereName {
                    const NAME: ::persevere::__private::Text = "get";
                }
                __PersevereName
            }
        )) {
            mut __persevere_run => {
                let mut __persevere_memory = __persevere_run.start();
                loop {
                    let __persevere_outcome = 'attempt: {
                        if let ::persevere::__private::Option::Some(__persevere_refused) = __persevere_run.refuse() {
                            break 'attempt { ::persevere::__private::Result::Err(__persevere_refused) };
                        }
                        let __persevere_ended = __persevere_run.guard_future(&__persevere_memory, async {
                            if let ::persevere::__private::Option::Some(__persevere_never) = ::persevere::__private::never::<Result<Value, Error>>() {
                                return __persevere_never;
                            }
                            let __ret: Result<Value, Error> = { __self.lookup(&key).await };
                            #[allow(unreachable_code)]
                            __ret
                        })
                        .await;
                        __persevere_run.outcome(__persevere_ended)
                    };
                    let (__persevere_wait, __persevere_kept) =
                        match __persevere_run.settle(&mut __persevere_memory, __persevere_outcome) {
                            ::persevere::__private::Step::Done(__persevere_outcome) => break __persevere_outcome,
                            ::persevere::__private::Step::Wait(__persevere_wait, __persevere_outcome) => {
                            (__persevere_wait, __persevere_run.keep(__persevere_outcome))
                        }
                        };
                    ::persevere::__private::rest(
                        ::persevere::__private::pin!(__persevere_run.sleep(__persevere_wait)),
                        __persevere_run.word(),
                        __persevere_run.signal(),
                    )
                    .await;
                    if let ::persevere::__private::Option::Some(__persevere_outcome) =
                        __persevere_run.over(&mut __persevere_memory, __persevere_kept)
                    {
                        break __persevere_outcome;
                    }
                }
            }
        }
    })
}
