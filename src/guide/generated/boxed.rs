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
        let of = ::persevere::__private::of::<Result<Value, Error>>();
        let mut run = ::persevere::__private::drive(POLICY);
        let mut memory = run.start();
        loop {
            let outcome = 'attempt: {
                if let ::persevere::__private::Option::Some(refused) = run.refuse() {
                    break 'attempt ::persevere::__private::Result::Err(refused);
                }
                run.guard_future(&memory, async {
                    if let ::persevere::__private::Option::Some(never) = ::persevere::__private::never::<Result<Value, Error>>() {
                        return never;
                    }
                    let __ret: Result<Value, Error> = { __self.lookup(&key).await };
                    #[allow(unreachable_code)]
                    __ret
                })
                .await
            };
            let wait = match run.settle(&mut memory, outcome) {
                ::persevere::__private::Step::Done(outcome) => break outcome,
                ::persevere::__private::Step::Wait(wait, _) => wait,
            };
            ::persevere::__private::rest(::persevere::__private::pin!(run.sleep(wait))).await;
            if let ::persevere::__private::Option::Some(late) = run.late(&mut memory) {
                break ::persevere::__private::Result::Err(late);
            }
        }
    })
}
